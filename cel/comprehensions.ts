/** Comprehensions of two variables: `all(i, v, p)`, `transformMap(k, v, t)`, and `cel.bind`. */
import { insert, insertAll } from "./collections.ts";
import type { Library } from "./library.ts";
import { BIND_MACRO, TWO_VARIABLE_MACROS } from "./macros.ts";
import { mapOf, parameter } from "./types.ts";

const K = parameter("K");
const V = parameter("V");
const MAP = mapOf(K, V);

export const TWO_VARIABLE_COMPREHENSIONS: Library = {
  name: "cel.lib.ext.comprev2",
  macros: TWO_VARIABLE_MACROS,
  functions: [
    {
      name: "cel.@mapInsert",
      overloads: [
        { id: "@mapInsert_map_key_value", args: [MAP, K, V], result: MAP, call: insert },
        { id: "@mapInsert_map_map", args: [MAP, MAP], result: MAP, call: insertAll },
      ],
    },
  ],
};

/** The binding of a value to a name, which only selectors of devices have. */
export const BINDINGS: Library = { name: "cel.lib.ext.cel.bindings", macros: [BIND_MACRO] };
