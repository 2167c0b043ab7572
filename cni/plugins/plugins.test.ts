import { globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseConflist } from "../lib/conflist.ts";
import type { PluginCall } from "../lib/skel.ts";
import type { PluginConfig } from "../lib/types.ts";
import { configOf as bandwidth } from "./bandwidth/config.ts";
import { configOf as bridge } from "./bridge/config.ts";
import { configOf as flannel } from "./flannel/config.ts";
import { configOf as hostLocal } from "./host-local/config.ts";
import { PLUGINS } from "./index.ts";
import { configOf as portmap } from "./portmap/config.ts";
import { configOf as ptp } from "./ptp/config.ts";
import { configOf as staticIpam } from "./static/config.ts";

/** A plugin to be copied; a cluster does not get it. */
const SAMPLE = "sample";
const folders = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const parsers: Readonly<Record<string, (call: PluginCall) => unknown>> = {
  bandwidth,
  bridge,
  flannel,
  "host-local": hostLocal,
  portmap,
  ptp,
  static: staticIpam,
};
/** Plugins without options. */
const WITHOUT = ["loopback"];

test("each folder is a plugin, or the sample", () => {
  expect(folders.sort()).toEqual([...PLUGINS.keys(), SAMPLE].sort());
  expect(Object.keys(parsers).sort()).toEqual(
    folders.filter((name) => name !== SAMPLE && !WITHOUT.includes(name)),
  );
});

describe.each(folders)("%s", (name) => {
  test("has tests", () => {
    expect(globSync(`${name}/*.test.ts`, { cwd: import.meta.dirname })).not.toEqual([]);
  });

  test("its README's example is a network that the plugin takes", () => {
    const readme = readFileSync(join(import.meta.dirname, name, "README.md"), "utf8");
    const [, text = ""] = /```json\n([^]*?)```/.exec(readme) ?? [];
    const { plugins } = parseConflist(text, `${name}/README.md`);
    const isOf = ({ type, ipam }: PluginConfig) => type === name || ipam?.type === name;
    const config = plugins.find(isOf);
    expect(config).toBeDefined();
    parsers[name]?.({ args: "", network: "pods", config } as unknown as PluginCall);
  });
});
