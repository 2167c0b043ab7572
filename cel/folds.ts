/** Comprehensions: folds over lists and maps. */
import { error } from "./failures.ts";
import { typeOfValue } from "./operations.ts";
import type { State, Step } from "./state.ts";
import { isError, ListValue, MapValue, type Outcome, type Value } from "./value.ts";

export interface Fold {
  readonly range: Step;
  /** The slot of the accumulator, which is computed when it is first read. */
  readonly accumulator: number;
  /** Slots of the variables: of one, the item or key; of two, the index or key, and the value. */
  readonly variables: readonly number[];
  readonly condition: Step;
  readonly step: Step;
  readonly result: Step;
}

export function foldStep(fold: Fold): Step {
  return (state) => {
    const range = fold.range(state);
    if (isError(range)) return range;
    state.locals[fold.accumulator] = undefined;
    if (range instanceof ListValue) foldList(fold, range, state);
    else if (range instanceof MapValue) foldMap(fold, range, state);
    else return error(`got '${typeOfValue(range)}', expected iterable type`);
    return fold.result(state);
  };
}

function foldList(fold: Fold, list: ListValue, state: State): void {
  const isIndexed = fold.variables.length === 2;
  for (let index = 0; index < list.size; index++) {
    const item = list.at(index);
    const goesOn = isIndexed ? next(fold, state, BigInt(index), item) : next(fold, state, item);
    if (!goesOn) return;
  }
}

function foldMap(fold: Fold, map: MapValue, state: State): void {
  const isIndexed = fold.variables.length === 2;
  for (const key of map.keys()) {
    const goesOn = isIndexed ? next(fold, state, key, map.get(key)!) : next(fold, state, key);
    if (!goesOn) return;
  }
}

/** Takes one step of a fold. Returns whether the fold goes on; an error does not end it. */
function next(fold: Fold, state: State, ...values: Value[]): boolean {
  state.count(1);
  fold.variables.forEach((slot, index) => {
    state.locals[slot] = values[index];
  });
  if (fold.condition(state) === false) return false;
  const value: Outcome = fold.step(state);
  state.locals[fold.accumulator] = value;
  return true;
}
