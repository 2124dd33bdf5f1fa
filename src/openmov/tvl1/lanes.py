"""Sixteen numbers at once: a vector type for compiled functions.

A compiler left to itself turns a loop over a row into vector instructions plus a scalar remainder and run-time checks
that the arrays do not overlap; on rows of 26 to 341 pixels those cost more than the work. `Lanes` is LLVM's
`<16 x float>` as a numba type: + - * / work on it, `load` and `store` move it, and LLVM maps it onto whatever the
processor has (one AVX-512 register, two of AVX, four of NEON). Knows nothing of images or flow.

The arithmetic is "fast" in LLVM's sense (no nan, no infinity, any order of summation), so that a division by a square
root may become a reciprocal estimate with a Newton step. `load` and `store` check no bounds.
"""

import operator
from collections.abc import Callable
from typing import Any, TypeVar

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

NUM_LANES = 16

_Function = TypeVar("_Function", bound=Callable[..., Any])
compiled: Callable[[_Function], _Function] = numba.njit(
    nogil=True, fastmath=True, error_model="numpy", no_cfunc_wrapper=True
)
"""The decorator of functions that are called by compiled functions alone: no cache of their own, no entry for C."""

_FAST = ("fast",)
_FLOAT = ir.FloatType()
_INDEX = ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, NUM_LANES)


class Lanes(types.Type):  # type: ignore[misc]
    """The numba type of sixteen float32."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes_type: Any) -> None:
        super().__init__(manager, lanes_type, _VECTOR)


register_model(Lanes)(_LanesModel)
lanes = Lanes()


def _define_operator(function: Any, instruction: str) -> None:
    cases = [signature(lanes, lanes, lanes)]
    infer_global(function)(type(f"Lanes_{instruction}", (ConcreteTemplate,), {"cases": cases}))

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args, flags=_FAST)

    lower_builtin(function, lanes, lanes)(lower)


_define_operator(operator.add, "fadd")
_define_operator(operator.sub, "fsub")
_define_operator(operator.mul, "fmul")
_define_operator(operator.truediv, "fdiv")


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


def _shuffle(builder: Any, one: Any, two: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(one, two, ir.Constant(ir.VectorType(_INDEX, len(order)), order))


def _load(typing_context: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, sig.args[0], *args), align=4)

    return lanes(array, types.intp), generate


def _store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, sig.args[0], *args[:2]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


def _splat(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        seed = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[0], ir.Constant(_INDEX, 0))
        return _shuffle(builder, seed, seed, [0] * NUM_LANES)

    return lanes(types.float32), generate


def _unary(llvm_name: str) -> Callable[..., Any]:
    def typed(typing_context: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.FunctionType(_VECTOR, [_VECTOR])
            function = cgutils.get_or_insert_function(builder.module, kind, f"{llvm_name}.v{NUM_LANES}f32")
            return builder.call(function, args, fastmath=_FAST)

        return lanes(lanes), generate

    return typed


def _choice(comparison: str) -> Callable[..., Any]:
    def typed(typing_context: Any, one: Any, two: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.select(builder.fcmp_ordered(comparison, *args, flags=_FAST), *args)

        return lanes(lanes, lanes), generate

    return typed


def _window(start: int) -> Callable[..., Any]:
    def typed(typing_context: Any, one: Any, two: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _shuffle(builder, args[0], args[1], list(range(start, start + NUM_LANES)))

        return lanes(lanes, lanes), generate

    return typed


def _total(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _halve(builder, args[0], 1)

    return types.float32(lanes), generate


def _quads(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        quad = _halve(builder, args[0], 4)
        parts = [builder.extract_element(quad, ir.Constant(_INDEX, k)) for k in range(4)]
        return context.make_tuple(builder, sig.return_type, parts)

    return types.UniTuple(types.float32, 4)(lanes), generate


def _halve(builder: Any, value: Any, until: int) -> Any:
    """Add the upper half to the lower until `until` lanes are left (a scalar if that is one)."""
    size = NUM_LANES
    while size > until:
        size //= 2
        lower, upper = list(range(size)), list(range(size, 2 * size))
        value = builder.fadd(
            _shuffle(builder, value, value, lower), _shuffle(builder, value, value, upper), flags=_FAST
        )
    return value if until > 1 else builder.extract_element(value, ir.Constant(_INDEX, 0))


load: Any = intrinsic(_load)
"""`load(array, index)`: sixteen neighbours of a flat float32 array from `index` on."""
store: Any = intrinsic(_store)
"""`store(array, index, value)`: their opposite."""
splat: Any = intrinsic(_splat)
"""`splat(number)`: one float32 in every lane."""
minimum: Any = intrinsic(_choice("<"))
"""The smaller of two, lane by lane."""
maximum: Any = intrinsic(_choice(">"))
"""The larger of two, lane by lane."""
sqrt: Any = intrinsic(_unary("llvm.sqrt"))
"""The square root; `one / sqrt(x)` of x > 0 becomes a reciprocal estimate."""
floor: Any = intrinsic(_unary("llvm.floor"))
"""The largest whole number not above each."""
left_of: Any = intrinsic(_window(NUM_LANES - 1))
"""`left_of(previous, current)`: the left neighbour of every lane of `current`."""
right_of: Any = intrinsic(_window(1))
"""`right_of(current, following)`: the right neighbour of every lane of `current`."""
total: Any = intrinsic(_total)
"""The sum of the lanes, a float32."""
quads: Any = intrinsic(_quads)
"""Four sums of four lanes: lanes 0, 4, 8, 12; lanes 1, 5, 9, 13; and so on."""
