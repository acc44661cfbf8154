"""The pictures of a scene: an articulated figure in a room, 96 x 96 pixels, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from diccae.datasets.benchmark.poses import Pose, pose_at
from diccae.datasets.benchmark.scene import SECONDS, Scene

SIZE = 96
FPS = 12
SUBPIXEL = 4
HAIRS = ((28, 22, 20), (70, 44, 28), (120, 84, 46), (196, 160, 96), (150, 150, 150))
SKINS = ((241, 206, 178), (214, 164, 124), (160, 110, 78), (102, 68, 48))


class Room:
    """The background of a clip: wall, floor, a window or picture, a piece of furniture.

    Attributes:
        canvas: uint8 (96, 96, 3), RGB.
        horizon: row of pixels at which the floor begins.
    """

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
    """Draw the frames of a scene, uint8 (frames, 96, 96, 3), RGB.

    Body, clothes, room, camera and light carry no information on the class; they are drawn from the
    seed of the clip.
    """
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
    """Proportions, clothes and position of a person."""

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
        # the hip is above the lower foot, and sinks to the floor as the body topples
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
                self._arm(canvas, limb, shoulder, arm, upper, fore, shade)
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
        self._arm(canvas, limb, shoulder, pose.near_arm, upper, fore, 1.0)

    def _arm(
        self,
        canvas: np.ndarray,
        limb: Callable[..., np.ndarray],
        shoulder: np.ndarray,
        arm: tuple[float, float],
        upper: float,
        fore: float,
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
