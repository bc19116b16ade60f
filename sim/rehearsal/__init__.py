"""A strategy's hooks called on a small cloud and two phones, before anything is built for it."""
