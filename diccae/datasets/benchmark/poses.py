"""The motions of the benchmark as poses of a figure over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diccae.datasets.benchmark.scene import Scene


@dataclass
class Pose:
    """Joint angles in degrees: 0 is hanging down (limbs) or upright (torso), positive is forwards.

    Attributes:
        lift: height of the body above the floor, in body heights.
        topple: angle by which the whole body is tilted.
        torso: angle of the torso.
        crouch: how far the knees are bent, 0.35 at most.
        near_arm: angles of upper arm and forearm of the near side.
        far_arm: those of the far side.
        near_leg: angles of thigh and shin of the near side.
        far_leg: those of the far side.
    """

    lift: float = 0.0
    topple: float = 0.0
    torso: float = 0.0
    crouch: float = 0.0
    near_arm: tuple[float, float] = (5.0, 15.0)
    far_arm: tuple[float, float] = (-5.0, 10.0)
    near_leg: tuple[float, float] = (4.0, -4.0)
    far_leg: tuple[float, float] = (-4.0, -6.0)


def pose_at(scene: Scene, time: float) -> Pose:
    """The pose of a scene's motion at a time in seconds.

    Periodic motions reach their event (a landing, a blow) at the event times of the scene.
    """
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
