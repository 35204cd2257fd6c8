from .settings import DatasetSpec as DatasetSpec
from .split import Dataset as Dataset
from .split import Membership as Membership
from .split import build_dataset as build_dataset
from .split import near_id as near_id
from .table import Table as Table
from .table import open_table as open_table
from .table import read_table as read_table
