"""The proof that the suite can turn red: faults put in force one at a time, and what its checks then say."""
