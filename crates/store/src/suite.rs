//! One suite of cases for every backend (to come in the same landing).
