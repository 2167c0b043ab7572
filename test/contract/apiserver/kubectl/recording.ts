import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Played } from "./play.ts";
import type { Script } from "./script.ts";

const DIR = join(import.meta.dirname, "recorded");

const fileOf = (version: string, script: string) => join(DIR, version, `${script}.txt`);

/** Reads the recorded output of a kubectl of `version` in a script against upstream. */
export const readRecorded = (version: string, script: string): string =>
  readFileSync(fileOf(version, script), "utf8");

export function writeRecorded(version: string, script: string, played: readonly Played[]): void {
  mkdirSync(join(DIR, version), { recursive: true });
  writeFileSync(fileOf(version, script), shown(played));
}

/**
 * Shows commands as on a terminal: the command, its output, errors after `!`, its exit code unless
 * 0.
 */
export function shown(played: readonly Played[]): string {
  return played.map((each) => `${showOne(each)}\n`).join("\n");
}

function showOne({ command, exit, stdout, stderr }: Played): string {
  const printed = stdout.trimEnd();
  const errors = stderr.trimEnd();
  return [
    `$ ${command}`,
    ...(printed === "" ? [] : [printed]),
    ...(errors === "" ? [] : errors.split("\n").map((line) => `! ${line}`)),
    ...(exit === 0 ? [] : [`[exit ${exit}]`]),
  ].join("\n");
}

/** The exit codes in a recording, command by command. */
export function exitCodes(version: string, script: string): number[] {
  return readRecorded(version, script)
    .split(/^\$ /m)
    .slice(1)
    .map((text) => Number(/^\[exit (\d+)\]$/m.exec(text)?.[1] ?? 0));
}

const TABLE = join(DIR, "table.md");
const TITLE = `# kubectl's commands before kube-apiserver 1.36

Exit codes as \`node scripts/record-kubectl.ts\` recorded them: ours must give the same, in the same
words (the texts lie beside).
`;

export const readTable = (): string => readFileSync(TABLE, "utf8");

/** Writes which command ends how with which kubectl: `recorded/table.md`. */
export const writeTable = (versions: readonly string[], scripts: readonly Script[]): void =>
  writeFileSync(TABLE, tableOf(versions, scripts));

/** One row to a command, with its exit code before kube-apiserver 1.36. */
export function tableOf(versions: readonly string[], scripts: readonly Script[]): string {
  const rows = scripts.flatMap(({ name, lines }) => {
    const codes = versions.map((version) => exitCodes(version, name));
    return lines.map((line, at) => {
      const cells = codes.map((each) => each[at]);
      return `| ${name} | \`${line.replaceAll("|", "\\|")}\` | ${cells.join(" | ")} |`;
    });
  });
  const head = `| script | command | ${versions.join(" | ")} |`;
  const rule = `| --- | --- |${" --- |".repeat(versions.length)}`;
  return [TITLE, head, rule, ...rows, ""].join("\n");
}
