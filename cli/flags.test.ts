import { Command } from "commander";
import { expect, expectTypeOf, test } from "vitest";
import {
  commandWith,
  type FlagsOf,
  type FlagTable,
  repeated,
  required,
  trueUnlessFalse,
} from "./flags.ts";

const FLAGS = {
  "--listen <socket>": required("where"),
  "--service-account-key-file <files...>": required("keys"),
  "--max-pods <n>": ["how many", "110"],
  "--node-labels <key=value,...>": ["labels", ""],
  "--proxy-mode <mode>": { text: "kind", choices: ["nftables", "ipvs"] },
  "--leader-elect [boolean]": trueUnlessFalse("take turns"),
  "--registry <domain=url>": repeated("registries"),
  "--cleanup": "take all away",
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

async function valuesOf(...words: string[]): Promise<Flags> {
  let values: Flags | undefined;
  const command = commandWith("part", "A part.", FLAGS, async (flags) => void (values = flags));
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  await new Command().addCommand(command).parseAsync(["part", ...words], { from: "user" });
  return values!;
}

const given = ["--listen", "/s", "--service-account-key-file", "a", "b"];

test("flags have the names and the kinds of values that their table says", async () => {
  expectTypeOf<Flags["maxPods"]>().toEqualTypeOf<string>();
  expectTypeOf<Flags["serviceAccountKeyFile"]>().toEqualTypeOf<string[]>();
  expectTypeOf<Flags["proxyMode"]>().toEqualTypeOf<"nftables" | "ipvs" | undefined>();
  expectTypeOf<Flags["cleanup"]>().toEqualTypeOf<boolean | undefined>();
  expect(await valuesOf(...given)).toEqual({
    listen: "/s",
    serviceAccountKeyFile: ["a", "b"],
    maxPods: "110",
    nodeLabels: "",
    leaderElect: "true",
    registry: [],
  });
  const all = ["--node-labels", "a=b", "--registry", "x=y", "--registry", "z=w", "--cleanup"];
  const chosen = ["--proxy-mode", "ipvs", "--leader-elect"];
  expect(await valuesOf(...given, ...all, ...chosen)).toMatchObject({
    nodeLabels: "a=b",
    registry: ["x=y", "z=w"],
    cleanup: true,
    proxyMode: "ipvs",
    leaderElect: "true",
  });
});

test.each([
  [["--listen", "/s"], "commander.missingMandatoryOptionValue"],
  [[...given, "--proxy-mode", "ebpf"], "commander.invalidArgument"],
  [[...given, "--leader-elect", "maybe"], "commander.invalidArgument"],
])("%j is refused", async (words, code) => {
  await expect(valuesOf(...words)).rejects.toMatchObject({ code });
});
