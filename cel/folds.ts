/** Comprehensions: folds over lists and maps. */
import { error } from "./failures.ts";
import { keysSteps, typeOfValue } from "./operations.ts";
import type { State, Step } from "./state.ts";
import { isError, ListValue, MapValue } from "./value.ts";

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
  const [first, second] = fold.variables;
  for (let index = 0; index < list.size; index++) {
    if (second === undefined) {
      state.locals[first!] = list.at(index);
    } else {
      state.locals[first!] = BigInt(index);
      state.locals[second] = list.at(index);
    }
    if (!next(fold, state)) return;
  }
}

function foldMap(fold: Fold, map: MapValue, state: State): void {
  const [first, second] = fold.variables;
  state.count(keysSteps(map));
  for (const key of map.keys()) {
    state.locals[first!] = key;
    if (second !== undefined) state.locals[second] = map.get(key)!;
    if (!next(fold, state)) return;
  }
}

/** Takes one step of a fold. Returns whether the fold goes on; an error does not end it. */
function next(fold: Fold, state: State): boolean {
  state.count(1);
  if (fold.condition(state) === false) return false;
  state.locals[fold.accumulator] = fold.step(state);
  return true;
}
