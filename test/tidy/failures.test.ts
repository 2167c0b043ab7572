import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { handWritten, ROOT } from "./sources.ts";

/** Words that the system and the shell print. */
const OTHERS = ["EADDRINUSE", "wget -T 5", "r2k.local/busybox"];

/** The sources as one text in which strings that are added up stand together. */
const printed = handWritten()
  .filter(({ path }) => !/\.test\.ts$|^test\/|^bench\/|^labs\//.test(path))
  .map(({ text }) => text.replaceAll(/["'`]\s*\+\s*["'`]/g, "").replaceAll("\\n", " "))
  .join("\n");

/** The parts of a quoted line that do not differ from case to case. */
function constantParts(line: string): string[] {
  return line
    .split(/\.\.\.|: |[\w/]+\.(?:json|crt|key)|[\d.:/]*\d[\d.:/]*|\bstore\/member|"[^"]*"/)
    .flatMap((part) => part.split(/\b(?:N|NAME|crun)\b|\bnode (?=process)/))
    .map((part) => part.replaceAll(/^[\s/.:]+|[\s/.:]+$/g, ""))
    .filter((part) => part.length > 3);
}

it("docs/TROUBLESHOOTING.md quotes what the product prints", () => {
  const page = readFileSync(join(ROOT, "docs/TROUBLESHOOTING.md"), "utf8");
  const cells = [...page.matchAll(/^\| (.*?) \| .* \|$/gm)].map((match) => match[1]!);
  const quoted = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, line]) => line!));
  expect(quoted.length).toBeGreaterThan(20);
  const wrong = quoted
    .filter((line) => !OTHERS.some((other) => line.startsWith(other)))
    .flatMap((line) =>
      constantParts(line)
        .filter((part) => !OTHERS.includes(part) && !printed.includes(part))
        .map((part) => `${line}: ${part}`),
    );
  expect(wrong).toEqual([]);
});
