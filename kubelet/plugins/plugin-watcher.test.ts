import { once } from "node:events";
import { linkSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { Registration } from "@raft2kube/proto/gen/pluginregistration.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { PLUGIN_SOCKETS_MAX } from "./limits.ts";
import { planRegistry } from "./plan.ts";
import { startPluginWatcher } from "./plugin-watcher.ts";
import { scanRegistry } from "./registry-scan.ts";

const clock = systemClock();

describe("planRegistry", () => {
  it("leaves what vanished, follows what is new, and does both with what was replaced", () => {
    const socket = (path: string, identity: string) => ({ path, identity });
    const [kept, gone, old] = [socket("k", "1"), socket("g", "2"), socket("r", "3")];
    const [fresh, replaced] = [socket("f", "4"), socket("r", "5")];
    expect(planRegistry([kept, fresh, replaced], [kept, gone, old])).toEqual({
      leave: [gone, old],
      follow: [fresh, replaced],
    });
  });
});

it("a scan of a registry has the first sockets by name, of many", async () => {
  const folder = testFolder("r2k-registry-");
  const first = path.join(folder, "0");
  await using server = createServer().listen(first);
  await once(server, "listening");
  const names = Array.from({ length: 3 * PLUGIN_SOCKETS_MAX }, (_, at) => `1${(at * 7919) % 3001}`);
  for (const name of names) linkSync(first, path.join(folder, name));
  const scanned = (await scanRegistry(folder)).map((one) => path.basename(one.path));
  expect(scanned).toEqual(["0", ...names.sort()].slice(0, PLUGIN_SOCKETS_MAX));
});

describe("startPluginWatcher", () => {
  let registryDir: string;
  let calls: string[];
  let refuse: string | undefined;
  let watcher: { close(): Promise<void> };

  const start = () =>
    startPluginWatcher({
      registryDir,
      clock,
      handlers: {
        CSIPlugin: {
          register: async ({ name, endpoint }) => {
            if (refuse !== undefined) throw new Error(refuse);
            calls.push(`+${name} ${endpoint}`);
          },
          deregister: async ({ name }) => void calls.push(`-${name}`),
        },
      },
    });
  const plugin = (name: string) =>
    serveGrpc({
      listen: { path: path.join(registryDir, `${name}-reg.sock`) },
      services: [
        serve(Registration, {
          getInfo: () => ({ type: "CSIPlugin", name, endpoint: `/run/${name}` }),
          notifyRegistrationStatus: () => ({}),
        }),
      ],
    });
  const waitForCall = (entry: string, times = 1) =>
    waitFor(entry, () => calls.filter((one) => one === entry).length >= times);

  beforeEach(async () => {
    registryDir = testFolder("r2k-registry-");
    calls = [];
    refuse = undefined;
  });
  afterEach(() => watcher.close());

  it("registers plugins at start and later, and deregisters those without a socket", async () => {
    const early = await plugin("early");
    watcher = await start();
    await waitForCall("+early /run/early");
    const late = await plugin("late");
    await waitForCall("+late /run/late");
    await late.close();
    await waitForCall("-late");
    expect(calls).not.toContain("-early");
    await early.close();
    await waitForCall("-early");
  });

  it("registers a plugin again when its socket was replaced", async () => {
    watcher = await start();
    const first = await plugin("driver");
    await waitForCall("+driver /run/driver");
    await first.close();
    const second = await plugin("driver");
    await waitForCall("+driver /run/driver", 2);
    expect(calls).toEqual(["+driver /run/driver", "-driver", "+driver /run/driver"]);
    await second.close();
  });

  it("reports the reason to a refused plugin, and retries it", async () => {
    refuse = "not today";
    const statuses: { pluginRegistered: boolean; error: string }[] = [];
    const server = await serveGrpc({
      listen: { path: path.join(registryDir, "p.sock") },
      services: [
        serve(Registration, {
          getInfo: () => ({ type: "CSIPlugin", name: "p", supportedVersions: ["1.0.0"] }),
          notifyRegistrationStatus: (status) => {
            statuses.push(status);
            refuse = undefined;
            return {};
          },
        }),
      ],
    });
    watcher = await start();
    await waitFor("the second status", () => statuses.length >= 2);
    expect(statuses).toEqual([
      { pluginRegistered: false, error: "not today" },
      { pluginRegistered: true, error: "" },
    ]);
    expect(calls).toEqual([`+p ${path.join(registryDir, "p.sock")}`]);
    await server.close();
  });
});
