import { expect, it } from "vitest";
import { type SourceFile, handWritten } from "./sources.ts";
import { statementsOf, walk } from "./syntax.ts";

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;
const LINE_LENGTH_MAX = 100;

it(`files have at most ${FILE_LINES_MAX} lines`, () => {
  const long = handWritten().filter((file) => file.lines.length - 1 > FILE_LINES_MAX);
  expect(long.map((file) => `${file.path}: ${file.lines.length - 1}`)).toEqual([]);
});

it(`lines have at most ${LINE_LENGTH_MAX} characters`, () => {
  const long = handWritten().flatMap((file) =>
    file.lines.flatMap((line, index) =>
      [...line].length > LINE_LENGTH_MAX && !isLongImport(line)
        ? [`${file.path}:${index + 1}: ${[...line].length}`]
        : [],
    ),
  );
  expect(long).toEqual([]);
});

it(`functions have at most ${FUNCTION_LINES_MAX} lines`, () => {
  const long = handWritten()
    .filter((file) => !/\.(test|check)\.ts$/.test(file.path))
    .flatMap(longFunctions);
  expect(long).toEqual([]);
});

/** An import of one name from a long path, which no formatter can break. */
const isLongImport = (line: string) => /^(import|export) .* from "[^"]+";$|^} from "/.test(line);

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
