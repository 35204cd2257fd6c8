from .frames import Results as Results
from .frames import results as results
