import { expect, it } from "vitest";
import { handWritten, type SourceFile } from "./sources.ts";
import { statementsOf, walk } from "./syntax.ts";

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;

it(`files have at most ${FILE_LINES_MAX} lines`, () => {
  const long = handWritten().filter((file) => file.lines.length - 1 > FILE_LINES_MAX);
  expect(long.map((file) => `${file.path}: ${file.lines.length - 1}`)).toEqual([]);
});

it(`functions have at most ${FUNCTION_LINES_MAX} lines`, () => {
  const long = handWritten()
    .filter((file) => !/\.(test|check)\.ts$/.test(file.path))
    .flatMap(longFunctions);
  expect(long).toEqual([]);
});

const FUNCTIONS = [
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
  "ObjectMethod",
  "ClassMethod",
  "ClassPrivateMethod",
];

function longFunctions(file: SourceFile): string[] {
  const found: string[] = [];
  walk(statementsOf(file), ({ type, loc }) => {
    const lines = FUNCTIONS.includes(type) ? loc.end.line - loc.start.line + 1 : 0;
    if (lines > FUNCTION_LINES_MAX) found.push(`${file.path}:${loc.start.line}: ${lines} lines`);
  });
  return found;
}
