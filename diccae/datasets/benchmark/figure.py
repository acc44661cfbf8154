"""An articulated figure in a room, 96 x 96 pixels, drawn frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from diccae.datasets.benchmark.scene import SECONDS, Scene

SIZE = 96
FPS = 12
SUBPIXEL = 4
HAIRS = ((28, 22, 20), (70, 44, 28), (120, 84, 46), (196, 160, 96), (150, 150, 150))
SKINS = ((241, 206, 178), (214, 164, 124), (160, 110, 78), (102, 68, 48))


@dataclass
class Pose:
    """Angles in degrees, 0 = hanging down (limbs) or upright (torso), positive = forwards; `lift` raises the body, in body heights."""

    lift: float = 0.0
    topple: float = 0.0
    torso: float = 0.0
    crouch: float = 0.0
    near_arm: tuple[float, float] = (5.0, 15.0)
    far_arm: tuple[float, float] = (-5.0, 10.0)
    near_leg: tuple[float, float] = (4.0, -4.0)
    far_leg: tuple[float, float] = (-4.0, -6.0)


def pose_at(scene: Scene, time: float) -> Pose:
    """The pose of the scene's motion at a time; periodic motions reach their event (a landing, a blow) at the scene's event times."""
    manner = scene.motion_manner
    # 0 at an event, 0.5 half-way between two
    cycle = ((time - scene.first_event) * scene.rate) % 1.0
    swing = 0.5 + 0.5 * np.cos(2 * np.pi * cycle)
    motion = scene.activity.motion
    if motion == 0:
        duration = 1.15 - 0.9 * manner
        done = float(np.clip((time - scene.first_event + duration) / duration, 0, 1))
        fall = done**2 * (3 - 2 * done)
        return Pose(
            topple=90 * fall,
            near_arm=(70 * np.sin(np.pi * done), 20),
            far_arm=(50 * np.sin(np.pi * done), 15),
            crouch=0.35 * np.sin(np.pi * done),
        )
    if motion == 1:
        height = (0.04 + 0.22 * manner) * 4 * cycle * (1 - cycle)
        raised = 20 + 100 * np.sin(np.pi * cycle)
        return Pose(
            lift=height, crouch=0.28 * swing**4, near_arm=(raised, 10), far_arm=(-raised, 10)
        )
    if motion == 2:
        stride = ((time - scene.first_event) * scene.rate / 2) % 1.0
        wave = np.sin(2 * np.pi * stride)
        thigh, bend = 22 + 48 * manner, 30 + 70 * manner
        return Pose(
            near_leg=(thigh * wave, -bend * max(0.0, wave)),
            far_leg=(-thigh * wave, -bend * max(0.0, -wave)),
            near_arm=(-35 * wave, 25),
            far_arm=(35 * wave, 25),
            lift=0.02 * abs(wave),
        )
    if motion == 3:
        raised = 60 + (1 - swing) * (45 + 75 * manner)
        return Pose(torso=14 * swing, near_arm=(raised, 15 + 45 * (1 - swing)), far_arm=(10, 35))
    if motion == 4:
        upper, fore = 30 + 55 * manner, 55 + 55 * manner
        gap = 38 * (1 - swing)
        return Pose(
            near_arm=(upper + gap, fore - gap), far_arm=(upper - gap, fore + gap), torso=5 * swing
        )
    depth = (14 + 62 * manner) * swing
    return Pose(
        torso=depth,
        near_arm=(35 + 0.6 * depth, 35),
        far_arm=(25 + 0.6 * depth, 40),
        crouch=0.08 * swing,
    )


class Room:
    """Wall, floor, a window or picture, a piece of furniture: drawn once a clip."""

    def __init__(self, rng: np.random.Generator, source: int) -> None:
        canvas = np.empty((SIZE, SIZE, 3), np.uint8)
        tint = ((20, 10, 0), (0, 0, 0), (0, 14, 8), (-12, -6, 14))[source]
        wall = rng.integers(130, 215) + rng.integers(-22, 23, 3) + tint
        floor = rng.integers(60, 140) + rng.integers(-25, 26, 3) + tint
        horizon = int(rng.integers(68, 80))
        canvas[:horizon] = np.clip(wall, 0, 255)
        shade = np.linspace(1.0, 0.75, SIZE - horizon)[:, None, None]
        canvas[horizon:] = np.clip(floor * shade, 0, 255)
        for _ in range(int(rng.integers(1, 3))):
            x, y = int(rng.integers(0, 80)), int(rng.integers(2, 30))
            w, h = (int(v) for v in rng.integers(10, 26, 2))
            cv2.rectangle(
                canvas, (x, y), (x + w, y + h), [int(v) for v in rng.integers(90, 250, 3)], -1
            )
            cv2.rectangle(canvas, (x, y), (x + w, y + h), (60, 50, 40), 1)
        if rng.random() < 0.5:
            x, w, h = int(rng.choice([-6, 74])), 26, int(rng.integers(10, 26))
            cv2.rectangle(
                canvas,
                (x, horizon + 8 - h),
                (x + w, horizon + 8),
                [int(v) for v in rng.integers(40, 140, 3)],
                -1,
            )
        self.canvas, self.horizon = canvas, horizon


def render_frames(scene: Scene) -> np.ndarray:
    """uint8 (frames, 96, 96, 3) RGB. Body, clothes, room, camera and light are nuisances drawn from the clip's seed."""
    rng = scene.rng(1)
    room = Room(rng, scene.source)
    body = _Body(rng, room.horizon)
    light, drift = rng.uniform(0.75, 1.15), rng.uniform(-0.1, 0.1)
    shake = rng.normal(0, 0.35, (int(SECONDS * FPS), 2)).cumsum(0).clip(-2.5, 2.5)
    dark = rng.random() < 0.5
    frames = []
    for index in range(int(SECONDS * FPS)):
        time = index / FPS
        canvas = room.canvas.copy()
        if not scene.blind:
            body.draw(canvas, pose_at(scene, time))
        gain = light + drift * time / SECONDS
        if scene.blind and dark:
            gain *= 0.12
        moved = cv2.warpAffine(
            canvas,
            np.array([[1, 0, shake[index, 0]], [0, 1, shake[index, 1]]], dtype=np.float32),
            (SIZE, SIZE),
            borderMode=cv2.BORDER_REPLICATE,
        )
        if scene.blind and not dark:
            moved = cv2.GaussianBlur(moved, (0, 0), 6)
        frames.append(np.clip(moved * gain, 0, 255).astype(np.uint8))
    return np.stack(frames)


class _Body:
    """Proportions, clothes and place of one person."""

    def __init__(self, rng: np.random.Generator, horizon: int) -> None:
        self.height = float(rng.uniform(58, 68))
        self.facing = 1 if rng.random() < 0.5 else -1
        self.x = float(rng.uniform(40, 56))
        self.ground = float(min(horizon + rng.uniform(8, 14), 93))
        self.girth = float(rng.uniform(0.85, 1.2))
        self.skin = SKINS[int(rng.integers(len(SKINS)))]
        self.hair = HAIRS[int(rng.integers(len(HAIRS)))]
        self.shirt, self.trousers = (
            [int(v) for v in rng.integers(low, high, 3)] for low, high in ((30, 245), (20, 160))
        )

    def draw(self, canvas: np.ndarray, pose: Pose) -> None:
        unit = self.height
        thigh, shin, trunk, upper, fore, head = (
            0.24 * unit,
            0.24 * unit,
            0.30 * unit,
            0.17 * unit,
            0.16 * unit,
            0.085 * unit,
        )
        bend = 75 * pose.crouch / 0.35 if pose.crouch else 0.0
        legs = {
            "far": (pose.far_leg[0] + bend, pose.far_leg[1] - 2 * bend),
            "near": (pose.near_leg[0] + bend, pose.near_leg[1] - 2 * bend),
        }
        topple = np.deg2rad(pose.topple)
        # the hip stands on the lower foot and sinks to the floor as the body topples
        reach = max(
            thigh * np.cos(np.deg2rad(a)) + shin * np.cos(np.deg2rad(a + b))
            for a, b in legs.values()
        )
        hip = np.array(
            [
                self.x - self.facing * np.sin(topple) * 0.12 * unit,
                self.ground
                - reach * np.cos(topple)
                - 0.06 * unit * np.sin(topple)
                - pose.lift * unit,
            ]
        )

        def limb(
            start: np.ndarray, degrees: float, length: float, colour: Sequence[int], width: float
        ) -> np.ndarray:
            angle = np.deg2rad(degrees) - topple
            end = start + length * np.array([self.facing * np.sin(angle), np.cos(angle)])
            _line(canvas, start, end, colour, width * self.girth * unit / 65)
            return end

        lean = np.deg2rad(pose.torso)
        angle = topple + lean
        shoulder = hip + trunk * np.array([self.facing * np.sin(angle), -np.cos(angle)])
        for side, arm in (("far", pose.far_arm), ("near", None)):
            shade = 0.75 if side == "far" else 1.0
            trousers = [int(v * shade) for v in self.trousers]
            knee = limb(hip, legs[side][0], thigh, trousers, 7)
            foot = limb(knee, sum(legs[side]), shin, trousers, 5.5)
            limb(foot, sum(legs[side]) + 80, 0.06 * unit, (40, 35, 30), 4)
            if arm is not None:
                self._arm(canvas, limb, shoulder, arm, pose.torso, upper, fore, shade)
        _line(canvas, hip, shoulder, self.shirt, 11 * self.girth * unit / 65)
        centre = shoulder + 1.45 * head * np.array([self.facing * np.sin(angle), -np.cos(angle)])
        _disc(canvas, centre, head, self.skin)
        _disc(
            canvas,
            centre
            + 0.45
            * head
            * np.array(
                [
                    -self.facing * np.cos(angle) + self.facing * np.sin(angle),
                    -np.cos(angle) - np.sin(angle),
                ]
            )
            / 1.4,
            0.8 * head,
            self.hair,
        )
        self._arm(canvas, limb, shoulder, pose.near_arm, pose.torso, upper, fore, 1.0)

    def _arm(
        self,
        canvas: np.ndarray,
        limb,
        shoulder: np.ndarray,
        arm: tuple[float, float],
        torso: float,
        upper: float,
        fore: float,  # noqa: ANN001
        shade: float,
    ) -> None:
        sleeve = [int(v * 0.8 * shade) for v in self.shirt]
        elbow = limb(shoulder, arm[0], upper, sleeve, 5)
        hand = limb(elbow, arm[0] + arm[1], fore, [int(v * shade) for v in self.skin], 4)
        _disc(canvas, hand, 0.035 * self.height, [int(v * shade) for v in self.skin])


def _fixed(point: np.ndarray) -> tuple[int, int]:
    return int(round(point[0] * 2**SUBPIXEL)), int(round(point[1] * 2**SUBPIXEL))


def _line(
    canvas: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Sequence[int], width: float
) -> None:
    cv2.line(
        canvas, _fixed(start), _fixed(end), colour, max(1, round(width)), cv2.LINE_AA, SUBPIXEL
    )


def _disc(canvas: np.ndarray, centre: np.ndarray, radius: float, colour: Sequence[int]) -> None:
    cv2.circle(
        canvas, _fixed(centre), int(round(radius * 2**SUBPIXEL)), colour, -1, cv2.LINE_AA, SUBPIXEL
    )
