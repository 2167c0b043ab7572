import { execFileSync } from "node:child_process";
import { Argument, Command, Option } from "commander";
import { beforeAll, expect, test, vi } from "vitest";
import { completionCommand, completionRows } from "./completion.ts";

function commands(): Command[] {
  const start = new Command("start")
    .option("--name <name>", "")
    .option("-o, --output <format>", "")
    .addOption(new Option("--proxy-mode <mode>", "").choices(["nftables", "ipvs"]))
    .option("--no-demo", "");
  const node = new Command("node");
  node.command("add <node>").option("--guest", "");
  node.command("stop <node>");
  return [start, node, new Command("list").addArgument(new Argument("<what>").choices(["a", "b"]))];
}

/** The script that `r2k completion SHELL` prints. */
async function script(shell: string): Promise<string> {
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    const command = completionCommand(() => Promise.resolve(commands()));
    await command.parseAsync([shell], { from: "user" });
    return written.mock.calls.map(([text]) => String(text)).join("");
  } finally {
    written.mockRestore();
  }
}

let bash: string;
beforeAll(async () => void (bash = await script("bash")));

/** Returns the words that bash offers for the last one. */
function offered(...words: string[]): string[] {
  const line = ["r2k", ...words].map((word) => `'${word}'`).join(" ");
  const ask = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _r2k; echo "\${COMPREPLY[@]}"`;
  const answer = execFileSync("bash", ["--norc", "-c", `${bash}\n${ask}`], { encoding: "utf8" });
  return answer.split(/\s+/).filter((word) => word !== "");
}

test("bash is offered commands, their subcommands, flags and the values of flags", () => {
  expect(offered("")).toEqual(["start", "node", "list", "--help"]);
  expect(offered("sta")).toEqual(["start"]);
  expect(offered("node", "")).toEqual(["add", "stop", "--help"]);
  expect(offered("node", "add", "--")).toEqual(["--guest", "--help"]);
  expect(offered("start", "--p")).toEqual(["--proxy-mode"]);
  expect(offered("start", "--proxy-mode", "")).toEqual(["nftables", "ipvs"]);
  expect(offered("list", "")).toEqual(["a", "b", "--help"]);
});

test("a flag's own value is not completed, nor taken for a command", () => {
  expect(offered("start", "--name", "")).toEqual([]);
  expect(offered("start", "-o", "")).toEqual([]);
  expect(offered("start", "--name", "one", "--no")).toEqual(["--no-demo"]);
});

test("the scripts of all shells have the same words", async () => {
  const rows = completionRows(new Command("r2k"), commands());
  expect(rows.filter(({ after }) => after === "--proxy-mode")).toEqual([
    { at: "start", after: "--proxy-mode", words: ["nftables", "ipvs"] },
  ]);
  for (const shell of ["zsh", "fish"]) {
    const text = await script(shell);
    for (const { at, after = "", words } of rows) {
      expect(text).toContain(`'${at}|${after}`);
      expect(text).toContain(words.join(" "));
    }
  }
});
