import { Command } from "commander";
import { expect, it } from "vitest";
import { flagValues } from "./flag-values.ts";

it("flags are reported with their values, set or default", () => {
  const command = new Command("x")
    .option("--port <n>", "a port", "6443")
    .option("--files <names...>", "files")
    .option("--careful", "be so")
    .option("--quick", "be so")
    .option("--name <text>", "a name");
  command.parse(["--files", "a", "b", "--careful"], { from: "user" });
  expect(flagValues(command)).toEqual({
    port: "6443",
    files: "[a,b]",
    careful: "true",
    quick: "false",
    name: "",
  });
});
