"""Python functions in tf.data pipelines."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_resnet.data.python_calls import call_python
from tests.marks import exhaustive


def test_results_have_the_types_and_values_of_the_function():
    def divide(whole, by):
        return np.int64(whole // by), np.arange(by, dtype="float32")

    numbers = tf.data.Dataset.range(7, 9).map(lambda n: call_python(divide, [n, 3], [tf.int64, tf.float32]))
    for number, (quotient, values) in zip((7, 8), numbers, strict=True):
        assert int(quotient) == number // 3
        np.testing.assert_array_equal(values, np.arange(3, dtype="float32"))


def test_error_of_the_function_is_raised_and_later_calls_work():
    def fail_at_one(number):
        if number == 1:
            raise ValueError("is one")
        return [number]

    numbers = tf.data.Dataset.range(3).map(lambda n: call_python(fail_at_one, [n], [tf.int64])[0], num_parallel_calls=2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is one"):
        list(numbers)
    assert [int(number) for number in numbers.ignore_errors()] == [0, 2]


# Most of the calls are in progress, or wait for the interpreter, when the program ends with its iterator half-consumed.
PROGRAM = """
import time
import tensorflow as tf
from keras_resnet.data.python_calls import call_python

def slow(number):
    time.sleep(0.1)
    return [number]

numbers = tf.data.Dataset.range(10**9).map(lambda n: call_python(slow, [n], [tf.int64])[0], num_parallel_calls=8)
iterator = iter(numbers.prefetch(64))
print(int(next(iterator)), flush=True)
{end}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "exit_code"),
    [exhaustive("", 0), ("raise ValueError('an error of the program')", 1), exhaustive("raise SystemExit(3)", 3)],
)
def test_program_with_a_half_consumed_iterator_exits(end, exit_code):
    command = [sys.executable, "-c", PROGRAM.format(end=end)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    assert done.returncode == exit_code, done.stderr
    assert done.stdout == "0\n"
