from .diff import unified as unified
from .phrases import confidence as confidence
from .phrases import optimism as optimism
from .phrases import wear as wear
from .report import ComparedRow as ComparedRow
from .report import Report as Report
from .report import render as render
