/** `cel.bind(variable, value, expression)`, which cel-spec tests and Kubernetes does not have. */
import type { Library } from "../library.ts";
import { binding } from "../macros.ts";

export const BINDINGS: Library = {
  name: "cel.lib.ext.cel.bindings",
  macros: [{
    name: "bind", member: true, arity: 3,
    expand: (maker, [variable, value, result], target) => {
      if (target?.is !== "ident" || target.name !== "cel") return undefined;
      if (variable?.is !== "ident") {
        return maker.fail("cel.bind() variable names must be simple identifiers", variable);
      }
      return binding(maker, variable.name, value!, result!);
    },
  }],
};
