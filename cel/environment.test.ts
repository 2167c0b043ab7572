import { describe, expect, it } from "vitest";
import { Environment } from "./environment.ts";
import { StepsExceededError } from "./failures.ts";
import { OPTIONALS } from "./optionals.ts";
import { DYN, INT, listOf } from "./types.ts";
import { ArrayList, ErrorValue } from "./value.ts";

const ENVIRONMENT = new Environment({
  libraries: [OPTIONALS],
  variables: { x: INT, many: listOf(INT), any: DYN },
});

function evaluate(text: string): unknown {
  const { program, errors } = ENVIRONMENT.compile(text);
  if (errors !== undefined) return errors.message;
  const { value } = program.evaluate({ x: 5n, any: "text" });
  return value instanceof ErrorValue ? value.message : value;
}

describe("an environment", () => {
  it("reports what is wrong with its place, as cel-go does", () => {
    expect(evaluate("x > 3 && y < 3")).toBe(
      "ERROR: <input>:1:10: undeclared reference to 'y' (in container '')\n" +
        " | x > 3 && y < 3\n" +
        " | .........^",
    );
    expect(evaluate("1 +\n")).toContain(
      "ERROR: <input>:2:1: Syntax error: mismatched input '<EOF>'",
    );
    expect(evaluate("'\u00e9' + 1")).toContain("\n | '\u00e9' + 1\n | .\uff0e..^");
  });

  it("refuses nesting and length that upstream refuses", () => {
    expect(evaluate("(".repeat(251) + "1" + ")".repeat(251))).toContain(
      "expression recursion limit exceeded: 250",
    );
    expect(evaluate("1" + " + 1".repeat(300))).toContain("recursion limit");
    expect(evaluate("true" + " && true".repeat(5_000))).toBe(true);
    expect(evaluate(" ".repeat(100_001))).toContain(
      "size exceeds limit: size: 100001, limit 100000",
    );
  });

  it("absorbs errors by || and &&", () => {
    expect(evaluate("1 / 0 == 1 || x == 5")).toBe(true);
    expect(evaluate("1 / 0 == 1 && x == 4")).toBe(false);
    expect(evaluate("1 / 0 == 1 || x == 4")).toBe("division by zero");
    expect(evaluate("any + 1 == 2")).toBe("no such overload");
  });

  it("ends an evaluation at its cost limit", () => {
    const { program } = ENVIRONMENT.compile("many.all(a, many.all(b, a + b > 0))");
    const many = new ArrayList(Array.from({ length: 100 }, () => 1n));
    const { value, cost } = program!.evaluate({ many }, { costMax: 1000 });
    expect(value).toEqual(new ErrorValue("operation cancelled: actual cost limit exceeded"));
    expect(cost).toBe(1001);
  });

  it("throws when an evaluation takes more steps than one may in the event loop", () => {
    const { program } = ENVIRONMENT.compile("many.all(a, many.all(b, a + b > 0))");
    const many = new ArrayList(Array.from({ length: 1000 }, () => 1n));
    expect(() => program!.evaluate({ many })).toThrow(StepsExceededError);
    expect(program!.evaluate({ many }, { stepsMax: 1e9 }).value).toBe(true);
  });

  it("takes a linear time to collect", () => {
    const { program } = ENVIRONMENT.compile("many.map(a, a + 1).filter(a, a > 1).size()");
    const many = new ArrayList(Array.from({ length: 50_000 }, () => 1n));
    expect(program!.evaluate({ many }, { stepsMax: 1e6 }).value).toBe(50_000n);
  });
});
