import { parseSync } from "oxc-parser";
import { expect, it } from "vitest";
import { type SourceFile, handWritten } from "./sources.ts";

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

const FUNCTIONS = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];

function longFunctions(file: SourceFile): string[] {
  const { program } = parseSync(file.path, file.text);
  const lineAt = lineIndex(file.text);
  const found: string[] = [];
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) node.forEach(visit);
    else if (typeof node === "object" && node !== null && "type" in node) {
      const { type, start, end } = node as { type: string; start: number; end: number };
      const lines = FUNCTIONS.includes(type) ? lineAt(end) - lineAt(start) + 1 : 0;
      if (lines > FUNCTION_LINES_MAX) found.push(`${file.path}:${lineAt(start)}: ${lines} lines`);
      Object.values(node).forEach(visit);
    }
  };
  visit(program.body);
  return found;
}

/** A function from an offset to its line, counted from 1. */
function lineIndex(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}
