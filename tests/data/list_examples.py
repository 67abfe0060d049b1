"""Write the small data sets with lists that docs/data.md describes to the current folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

FILM = Path(__file__).resolve().parent.parent / "media/city_cc0.mp4"
"""A video of four seconds."""

LISTS = {
    "kinetics/kinetics_train.csv": "label,youtube_id,time_start,time_end,split\n"
    "air drumming,0AbC-d_1xyz,12,22,train\nzumba,-QqW1E2r3T4y,95,105,train\n",
    "kinetics/kinetics_val.csv": "label,youtube_id,time_start,time_end,split\n"
    "zumba,ZzZ_9876543,3,13,validate\n",
    "ucf101/ucfTrainTestlist/classInd.txt": "1 Archery\n2 Biking\n",
    "ucf101/ucfTrainTestlist/trainlist01.txt": "".join(
        f"{label}/v_{label}_g{group:02d}_c01.avi {number}\n"
        for number, label in ((1, "Archery"), (2, "Biking"))
        for group in (8, 9, 10)
    ),
    "ucf101/ucfTrainTestlist/testlist01.txt": "Archery/v_Archery_g01_c01.avi\n"
    "Biking/v_Biking_g01_c01.avi\n",
    "hmdb51/testTrainMulti_7030_splits/wave_test_split1.txt": "A_wave_u_cm.avi 1\n"
    "B_wave_u_cm.avi 2\nC_wave_u_cm.avi 0\n",
    "something/labels/labels.json": json.dumps(
        {"Bending [something]": "0", "Holding [something]": "1"}
    ).replace("[something]", "something"),
    "something/labels/train.json": json.dumps(
        [
            {
                "id": "78687",
                "label": "holding potato",
                "template": "Holding [something]",
                "placeholders": ["potato"],
            }
        ]
    ),
    "something/labels/validation.json": json.dumps(
        [{"id": "74225", "label": "bending a spoon", "template": "Bending [something]"}]
    ),
    "mmaction/train_list_videos.txt": "videos/a.mp4 0\nvideos/b.mp4 1\n",
    "mmaction/val_list_videos.txt": "videos/c.mp4 1\n",
    "mmaction/label_map.txt": "abseiling\nzumba\n",
    "slowfast/train.csv": "videos/a.mp4,0,2\nvideos/b.mp4,1\n",
    "slowfast/val.csv": "videos/c.mp4,2\n",
    "table/clips.csv": "path,label,split,start,end\nlong.mp4,jump,train,0,1.5\n"
    "long.mp4,run,train,1.5,3\nother.mp4,run,test,0.5,2\n",
}
VIDEOS = (
    "kinetics/videos/0AbC-d_1xyz_000012_000022.mp4",
    "kinetics/videos/-QqW1E2r3T4y_000095_000105.mp4",
    "kinetics/videos/ZzZ_9876543.mp4",
    *(f"ucf101/UCF-101/Archery/v_Archery_g{group:02d}_c01.avi" for group in (1, 8, 9, 10)),
    *(f"ucf101/UCF-101/Biking/v_Biking_g{group:02d}_c01.avi" for group in (1, 8, 9, 10)),
    *(f"hmdb51/hmdb51_org/wave/{name}_wave_u_cm.avi" for name in "ABC"),
    "something/20bn-something-something-v2/78687.webm",
    "something/20bn-something-something-v2/74225.webm",
    *(f"{folder}/videos/{name}.mp4" for folder in ("mmaction", "slowfast") for name in "abc"),
    "table/long.mp4",
    "table/other.mp4",
)


def main() -> None:
    """Write all data sets."""
    for name, text in LISTS.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    for name in VIDEOS:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FILM, name)


if __name__ == "__main__":
    main()
