import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TableMap } from "../collections.ts";
import { formatDouble } from "../conversions.ts";
import type { CostNode, Range } from "../library.ts";
import { compareText } from "../operations.ts";
import { DYN, INT, listOf, mapOf, STRING, Type } from "../types.ts";
import {
  ArrayList,
  Duration,
  isError,
  ListValue,
  MapValue,
  OptionalValue,
  Timestamp,
  Uint,
  type Value,
} from "../value.ts";
import { type AccessDecision, type AccessQuestion, AUTHORIZER, Authorization } from "./authz.ts";
import { jsonPatchLibrary } from "./jsonpatch.ts";
import { KUBERNETES } from "./kubernetes.ts";

/** An expression, and what upstream's environment answered (scripts/cel-answers.ts). */
interface Answer {
  readonly expression: string;
  /** Errors of compilation. */
  readonly compile?: string;
  readonly estimate?: string;
  readonly cost?: number;
  readonly error?: string;
  readonly value?: string;
}

const ANSWERS = readFileSync(join(import.meta.dirname, "../testdata/libraries.jsonl"), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Answer);

/** Expressions that are refused as upstream refuses them, in other words. */
const OTHER_WORDS = new Set([
  "[].flatten(dyn('1'))",
  "dyn({}).flatten()",
  "dyn({}).flatten(0)",
  'text.find("(")',
]);

/** Whether upstream's complaint is one of its parsers, which no client reads. */
function isOtherWords({ expression, error = "" }: Answer): boolean {
  return (
    OTHER_WORDS.has(expression) ||
    error.includes("parse error during conversion") ||
    (error !== "" && expression.includes("semver("))
  );
}

const environment = KUBERNETES.extend({
  libraries: [jsonPatchLibrary],
  variables: {
    authorizer: AUTHORIZER,
    text: STRING,
    texts: listOf(STRING),
    numbers: listOf(INT),
    labels: mapOf(STRING, STRING),
    any: DYN,
  },
});

/** The sizes that the recording has for its variables. */
const SIZES: Readonly<Record<string, bigint>> = {
  texts: 100n,
  numbers: 100n,
  "texts.@items": 20n,
  text: 20n,
  labels: 10n,
};

function estimateSize({ path = [], type }: CostNode): Range | undefined {
  const max =
    SIZES[path.join(".")] ?? (type.kind === "string" || type.kind === "bytes" ? 12n : undefined);
  return max === undefined ? undefined : { min: 0n, max };
}

/** The recording's authorizer: verbs say what it decides. */
function decide({ verb, serviceAccount: account }: AccessQuestion): Promise<AccessDecision> {
  const user =
    account === undefined ? "alice" : `system:serviceaccount:${account.namespace}:${account.name}`;
  return Promise.resolve({
    allowed: verb !== "fail" && verb !== "deny",
    reason: verb === "fail" ? "" : verb === "deny" ? "denied" : `allowed ${user}`,
    ...(verb === "fail" && { error: "the authorizer failed" }),
  });
}

/** A text as Go writes JSON. */
function jsonText(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A value as the recording has it. */
function shown(value: Value): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "string":
      return jsonText(value);
    case "number":
      return formatDouble(value);
    case "bigint":
    case "boolean":
      return String(value);
  }
  if (value instanceof Uint) return `${value.value}u`;
  if (value instanceof Uint8Array) return `b${Buffer.from(value).toString("hex")}`;
  if (value instanceof OptionalValue) {
    return value.value === undefined ? "none" : `optional(${shown(value.value)})`;
  }
  if (value instanceof Duration) return `duration(${value.nanos})`;
  if (value instanceof Timestamp) return `timestamp(${value.nanos})`;
  if (value instanceof Type) return `type(${value.name})`;
  if (value instanceof ListValue) return `[${[...value].map(shown).join(", ")}]`;
  if (!(value instanceof MapValue)) return `<${value.type.name}>`;
  const entries = [...value.keys()].map((key) => `${shown(key)}: ${shown(value.get(key)!)}`);
  return `{${entries.sort(compareText).join(", ")}}`;
}

async function answerOf(expression: string): Promise<Answer> {
  const { program, errors } = environment.compile(expression);
  if (errors?.isInstantiation === true) return { expression, error: `program: ${errors.message}` };
  if (errors !== undefined) return { expression, compile: errors.message };
  const authorization = new Authorization(decide);
  const { value, cost } = await authorization.run(() =>
    program.evaluate(
      {
        authorizer: authorization.authorizer,
        text: "Hello, w\u00f6rld \u{1f600}",
        texts: new ArrayList(["b", "a", "ccc", "a"]),
        numbers: new ArrayList([3n, 1n, 2n]),
        labels: TableMap.of([
          ["app", "web"],
          ["tier", "front"],
        ])!,
        any: new ArrayList([1n, "two", 3.5, null, true]),
      },
      { costMax: 10_000_000, stepsMax: 1_000_000 },
    ),
  );
  const { min, max } = program.estimateCost({ estimateSize });
  const estimate = `${min}..${max}`;
  const outcome = isError(value) ? { error: value.message } : { value: shown(value) };
  return { expression, estimate, ...(cost > 0 && { cost }), ...outcome };
}

describe("Kubernetes' libraries answer as upstream's", () => {
  it.each(ANSWERS)("$expression", async (answer) => {
    const ours = await answerOf(answer.expression);
    // An expression of which no program can be made has no estimate here.
    const { estimate: _estimate, ...failure } = answer;
    const expected = answer.error?.startsWith("program: ") === true ? failure : answer;
    if (!isOtherWords(answer)) return expect(ours).toEqual(expected);
    expect(answer.compile ?? answer.error).toBeDefined();
    return expect(ours.compile ?? ours.error).toBeDefined();
  });
});

describe("an authorization check", () => {
  it("is asked for once, however often the evaluation needs it", async () => {
    let asked = 0;
    const authorization = new Authorization((question) => {
      asked++;
      return decide(question);
    });
    const { program } = environment.compile(
      "[1, 2, 3].all(x, authorizer.path('/healthz').check('get').allowed())",
    );
    const { value } = await authorization.run(() =>
      program!.evaluate({ authorizer: authorization.authorizer }),
    );
    expect([value, asked]).toEqual([true, 1]);
  });
});

describe("a function whose result would be large", () => {
  it.each([
    "lists.range(1000000).map(x, text).join(text.replace('', text))",
    "'a'.replace('', lists.range(1000).map(x, 'x').join('')).replace('x', " +
      "lists.range(9000).map(x, 'x').join(''))",
    "[[lists.range(9000000)]].flatten(2)",
    "lists.range(100000).distinct()",
  ])("ends in an error: %s", (expression) => {
    const { program } = environment.compile(expression);
    const run = (): Value | undefined => {
      const { value } = program!.evaluate(
        { text: "x".repeat(1000) },
        { costMax: 10_000_000, stepsMax: 2_000_000 },
      );
      return isError(value) ? undefined : value;
    };
    try {
      expect(run()).toBeUndefined();
    } catch (thrown) {
      expect((thrown as Error).name).toBe("StepsExceededError");
    }
  });
});
