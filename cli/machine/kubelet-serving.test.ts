import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { kubeletServer, readServing } from "./kubelet-serving.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const LATER_MS = Date.UTC(2027, 1, 1);

test("the kubelet's pair is kept, and made again without a half or after its end", async () => {
  const dir = testFolder("r2k-serving-");
  const paths = { cert: join(dir, "kubelet.crt"), key: join(dir, "kubelet.key") };
  const read = (now_ms = NOW_MS) =>
    readServing({ nodeName: "a", nodeAddress: "10.0.0.1" }, now_ms, paths);
  const first = await read();
  expect(await read()).toEqual(first);
  rmSync(paths.cert);
  const second = await read();
  expect(second.key).not.toBe(first.key);
  writeFileSync(paths.cert, first.cert);
  const third = await read();
  expect(third.cert).not.toBe(first.cert);
  expect(readFileSync(paths.key, "utf8")).toBe(third.key);
  expect(await read(LATER_MS)).not.toEqual(third);
});

test.each([{ address: "10.0.0.1" }, { port: 10_260 }])(
  "%j is refused where nothing is served for want of a CA of clients",
  async (config) => {
    const node = { nodeName: "a", nodeAddress: "10.0.0.1" };
    await expect(kubeletServer(config, node, NOW_MS)).rejects.toThrow("clientCAFile");
    expect(await kubeletServer({}, node, NOW_MS)).toBeUndefined();
  },
);
