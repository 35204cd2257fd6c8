"""Jobs whose answer is one of a few labels, or several of them."""

from __future__ import annotations

import base64
import json
import struct
import zlib

from tests.jobs.job import Job, Message, Row, said

COUNT = 80
TEAMS = ("billing", "shipping", "account", "returns")
STEPS = ("refund", "repair", "replace", "explain")
FINDINGS = ("intact", "dented", "wet", "open")
TAGS = ("price", "battery", "screen", "service")


def hard_at(row: Row, known: frozenset[int]) -> bool:
    """Whether the prompt lacks the rule that this row needs; every fourth row needs none."""
    return row["hard"] < 3 and row["hard"] not in known


def other(options: tuple[str, ...], label: str) -> str:
    return options[(options.index(label) + 1) % len(options)]


def _tickets() -> list[Row]:
    return [
        {
            "ticket": f"T-{1000 + i}",
            "subject": f"About order {5000 + 7 * i}",
            "body": f'It says "{TEAMS[i * 7 // 4 % 4]}" {{see}} in letter {i}, and I paid 3% more.',
            "customer": {"tier": ("gold", "basic")[i % 2], "since": 2000 + i % 20},
            "team": TEAMS[i * 7 // 4 % 4],
            "hard": i % 4,
        }
        for i in range(COUNT)
    ]


def _routed(row: Row, known: frozenset[int]) -> Message:
    return said(other(TEAMS, row["team"]) if hard_at(row, known) else row["team"])


ROUTING = Job(
    "Routing from three columns",
    _tickets(),
    (
        "A double charge is for billing.",
        "A parcel that is late is for shipping.",
        "Gold customers who want their money back go to returns.",
    ),
    lambda row: row["subject"],
    _routed,
)


def _chats() -> list[Row]:
    return [
        {
            "turns": [
                {"role": "user", "content": f"My phone {300 + i} does not start."},
                {"role": "assistant", "content": "Since when?"},
            ][: 2 * (i % 3 > 0)],
            "message": f"Since day {i + 1}. What is next?",
            "step": STEPS[i * 5 // 4 % 4],
            "hard": i % 4,
        }
        for i in range(COUNT)
    ]


CHAT = Job(
    "A chat with earlier turns",
    _chats(),
    (
        "Within two weeks the step is refund.",
        "A phone that fell is a case for repair.",
        "What was repaired twice is a case for replace.",
    ),
    lambda row: row["message"],
    lambda row, known: said(other(STEPS, row["step"]) if hard_at(row, known) else row["step"]),
)


def _picture(number: int) -> bytes:
    """A PNG of one pixel whose colour is the number."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(bytes([0, number, 255 - number, 7]))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
    )


_PICTURES = [_picture(i) for i in range(COUNT)]
IMAGES = Job(
    "Images",
    [
        {
            "photo": f"{i}.png",
            "note": ("left at the door", "handed over")[i % 2],
            "finding": FINDINGS[i * 3 // 4 % 4],
            "hard": i % 4,
        }
        for i in range(COUNT)
    ],
    (
        "A corner that is pressed in is dented.",
        "Dark stains are wet.",
        "A flap that stands up is open.",
    ),
    lambda row: base64.b64encode(_PICTURES[int(row["photo"].split(".")[0])]).decode(),
    lambda row, known: said(
        other(FINDINGS, row["finding"]) if hard_at(row, known) else row["finding"]
    ),
    {f"{i}.png": picture for i, picture in enumerate(_PICTURES)},
)


def _reviews() -> list[Row]:
    return [
        {
            "review": f"Review {i}: I have had it for {i % 9 + 2} months now.",
            "tags": json.dumps([tag for place, tag in enumerate(TAGS) if (i + 1) >> place & 1]),
        }
        for i in range(COUNT)
    ]


def _tagged(row: Row, known: frozenset[int]) -> Message:
    """Of the last three tags, those that no rule speaks of are overlooked, or seen where not."""
    right = json.loads(row["tags"])
    found = [
        tag for place, tag in enumerate(TAGS) if (tag in right) == (place < 1 or place - 1 in known)
    ]
    return said(", ".join(found) or "none")


LABELS = Job(
    "Several labels at once",
    _reviews(),
    (
        "Battery is meant where hours are named.",
        "Screen is meant where glass is named.",
        "Service is meant where a shop is named.",
    ),
    lambda row: row["review"].split(":")[0] + ":",
    _tagged,
)
