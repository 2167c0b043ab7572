/**
 * Records what upstream's tests of x-kubernetes-validations compile and validate, with the outcome:
 * they are run in a copy of the module whose functions write down their answers.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { STAGING_VERSION } from "../facts/packages.ts";

const MODULE = "k8s.io/apiextensions-apiserver";
const PACKAGE = "pkg/apiserver/schema/cel";
const RECORDER = join(import.meta.dirname, "record-rules.go");
const RULES = "x-kubernetes-validations";

/** Texts in the sources of the copy, and what calls the recorder in their place. */
const CHANGES: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  "validation.go": [
    [
      "\treturn s.validate(ctx, fldPath, obj, oldObj, opt.ratchetingOptions, costBudget)\n",
      "\terrs, remainingBudget = s.validate(ctx, fldPath, obj, oldObj, opt.ratchetingOptions, " +
        "costBudget)\n\trecordValidation(s, fldPath, obj, oldObj, opt.currentCorrelation != nil, " +
        "costBudget, errs, remainingBudget)\n\treturn errs, remainingBudget\n",
    ],
    [
      "\t\t\tcelActivationFactory: activationFactory,\n",
      "\t\t\tcelActivationFactory: activationFactory,\n\t\t\trecordedLimit: perCallLimit,\n",
    ],
    [
      "\tuncompiledRules []apiextensions.ValidationRule\n",
      "\trecordedLimit uint64\n\tuncompiledRules []apiextensions.ValidationRule\n",
    ],
  ],
  "compilation.go": [
    [
      "\treturn compResults, nil\n",
      "\treturn recordCompilation(s, declType, perCallLimit, compResults, nil)\n",
    ],
  ],
};

type Json = Readonly<Record<string, unknown>>;

/** JSON: one member for each schema and object, with the outcomes of all rules about it. */
export type RuleAnswers = { readonly validations: string; readonly compilations: string };

export function rulesOfTests(
  workspace: string,
  go: (cwd: string, ...args: string[]) => string,
): RuleAnswers {
  const folder = join(workspace, "rules");
  mkdirSync(folder);
  writeFileSync(join(folder, "go.mod"), "module rules\n\ngo 1.26\n");
  const { Dir } = JSON.parse(
    go(folder, "mod", "download", "-json", `${MODULE}@${STAGING_VERSION}`),
  ) as { Dir: string };
  const copy = join(workspace, "apiextensions-apiserver");
  cpSync(Dir, copy, { recursive: true });
  execFileSync("chmod", ["-R", "u+w", copy]);
  for (const [file, changes] of Object.entries(CHANGES)) change(join(copy, PACKAGE, file), changes);
  cpSync(RECORDER, join(copy, PACKAGE, "record.go"));
  writeFileSync(
    join(folder, "main.go"),
    `package main\n\nimport _ "${MODULE}/${PACKAGE}"\n\nfunc main() {}\n`,
  );
  writeFileSync(
    join(folder, "go.mod"),
    `module rules\n\ngo 1.26\n\nrequire ${MODULE} ` +
      `${STAGING_VERSION}\n\nreplace ${MODULE} => ${copy}\n`,
  );
  go(folder, "mod", "tidy");
  const [validations, compilations] = ["validations", "compilations"].map((name) =>
    join(workspace, `${name}.jsonl`),
  ) as [string, string];
  execFileSync("go", ["test", "-count=1", `${MODULE}/${PACKAGE}`], {
    cwd: folder,
    stdio: "ignore",
    env: {
      ...process.env,
      GOFLAGS: "-mod=mod",
      VALIDATIONS: validations,
      COMPILATIONS: compilations,
    },
  });
  return {
    validations: grouped(validations, ({ errors, left, schema, ...rest }) => [
      { schema: without(schema), ...rest },
      { rules: rulesOf(schema), errors, left },
    ]),
    compilations: grouped(compilations, ({ schema, results, limit: _limit }) => [
      { schema: without(schema) },
      { rules: rulesOf(schema), results },
    ]),
  };
}

function change(file: string, changes: readonly (readonly [string, string])[]): void {
  let source = readFileSync(file, "utf8");
  for (const [from, to] of changes) {
    if (!source.includes(from)) throw new Error(`${file} has changed: no ${JSON.stringify(from)}`);
    source = source.replace(from, to);
  }
  writeFileSync(file, source);
}

function without(schema: unknown): Json {
  const { [RULES]: _rules, ...rest } = schema as Json;
  return rest;
}

const rulesOf = (schema: unknown): unknown => (schema as Json)[RULES] ?? [];

/** The tests' own devices: functions of a fake library, contexts that are cancelled. */
const DEVICES = /fakeFunction|operation interrupted/;

/** Lines with the same head become one, with all of their cases. */
function grouped(file: string, split: (line: Json) => readonly [head: Json, answer: Json]): string {
  const groups = new Map<string, Set<string>>();
  // Numbers stay as they were written: some have more digits than a double.
  for (const line of readFileSync(file, "utf8").trimEnd().split("\n")) {
    // OpenAPI has no place for the rules of members under `allOf`.
    if (DEVICES.test(line) || !line.includes('"rule"')) continue;
    const plain = line.replace(/selfType\d+/g, "selfType");
    const exact = JSON.parse(plain, asWritten as never) as Json;
    const [head, answer] = split(exact).map((each) => JSON.stringify(each)) as [string, string];
    groups.set(head, (groups.get(head) ?? new Set()).add(answer));
  }
  const texts = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([head, answers]) =>
        `${head.slice(0, -1)},"cases":[\n  ${[...answers].sort().join(",\n  ")}\n]}`,
    );
  return `[\n${texts.join(",\n")}\n]\n`;
}

function asWritten(_key: string, value: unknown, { source }: { source?: string }): unknown {
  return typeof value === "number" && source !== undefined ? raw(source) : value;
}

/** Function of ECMAScript's "JSON.parse source text access", which the library's types lack. */
const { rawJSON: raw } = JSON as unknown as { rawJSON(text: string): unknown };
