"""stub"""


def bench():
    pass


def demo():
    pass


def replay():
    pass
