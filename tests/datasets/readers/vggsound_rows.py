"""Four rows of VGGSound's lists, in both editions."""

from __future__ import annotations

LONG = [
    "---g-f_I2yQ,1,people marching,test",
    '-0jeONf82dE,21,"bird chirping, tweeting",train',
    "a_b_c_d_e_f,110,police car (siren),train",
    '0123456789A,0,"the ""quoted"" class",test',
]
IDS = ["---g-f_I2yQ_000001", "-0jeONf82dE_000021", "a_b_c_d_e_f_000110", "0123456789A_000000"]
SHORT = {
    "test.csv": [
        "---g-f_I2yQ_000001.mp4,people marching",
        '0123456789A_000000.mp4,"the ""quoted"" class"',
    ],
    "train.csv": [
        '-0jeONf82dE_000021.mp4,"bird chirping, tweeting"',
        "a_b_c_d_e_f_000110.mp4,police car (siren)",
    ],
}
NAMES = ["bird chirping, tweeting", "people marching", "police car (siren)", 'the "quoted" class']
