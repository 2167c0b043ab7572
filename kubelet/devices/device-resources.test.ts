import { join } from "node:path";
import { DevicePlugin } from "@raft2kube/proto/gen/deviceplugin.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { DeviceResources } from "./device-resources.ts";
import { PLUGIN_GONE_GRACE_MS, RESOURCES_MAX } from "./limits.ts";

const RESOURCE = "test.example/device";
const OTHER = "test.example/other";
const OPTIONS = { preStartRequired: false, getPreferredAllocationAvailable: false };
const clock = systemClock();

/** Serves a plugin with one device; `open` counts its streams of devices. */
async function servePlugin(path: string) {
  const counts = { open: 0, begun: 0 };
  const unused = () => Promise.reject(new Error("not called"));
  const server = await serveGrpc({
    listen: { path },
    services: [
      serve(DevicePlugin, {
        getDevicePluginOptions: () => Promise.resolve(OPTIONS),
        async *listAndWatch(_, { signal }) {
          counts.open++;
          counts.begun++;
          try {
            yield { devices: [{ ID: "one", health: "Healthy", topology: undefined }] };
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
          } finally {
            counts.open--;
          }
        },
        getPreferredAllocation: unused,
        allocate: unused,
        preStartContainer: unused,
      }),
    ],
  });
  return { counts, server };
}

test("a plugin that leaves does not take the one with it that has replaced it", async () => {
  const dir = testFolder("r2k-resources-");
  const socket = join(dir, "plugin.sock");
  const { server } = await servePlugin(socket);
  const resources = new DeviceResources({ clock, known: [], changed: () => undefined });
  try {
    await resources.add(RESOURCE, socket, OPTIONS);
    await waitFor("the list", () => resources.healthy(RESOURCE).length === 1);
    await resources.remove(RESOURCE, join(dir, "older.sock"));
    expect(resources.healthy(RESOURCE)).toHaveLength(1);
    await resources.remove(RESOURCE, socket);
    expect(resources.healthy(RESOURCE)).toHaveLength(0);
    await resources.close();
  } finally {
    await server.close();
  }
});

test("of simultaneous registrations of a resource the last one is connected to", async () => {
  const dir = testFolder("r2k-resources-");
  const socket = join(dir, "plugin.sock");
  const { counts, server } = await servePlugin(socket);
  const resources = new DeviceResources({ clock, known: [], changed: () => undefined });
  try {
    await resources.add(RESOURCE, socket, OPTIONS);
    await waitFor("the first list", () => resources.healthy(RESOURCE).length === 1);
    const add = () => resources.add(RESOURCE, socket, OPTIONS);
    await Promise.all([add(), add(), add()]);
    await waitFor("the last stream", () => counts.begun >= 2);
    // A connection that came after all others of before.
    await resources.add(OTHER, socket, OPTIONS);
    await waitFor("the other's list", () => resources.healthy(OTHER).length === 1);
    expect(counts.begun).toBe(3);
    await resources.close();
    await waitFor("all streams to end", () => counts.open === 0);
  } finally {
    await server.close();
  }
});

test("of resources whose plugins are gone the last ones have none", async () => {
  const manual = new ManualClock();
  const known = Array.from({ length: RESOURCES_MAX + 1 }, (_, at) => `r2k.dev/r${at}`);
  const resources = new DeviceResources({ clock: manual, known, changed: () => undefined });
  manual.advance(PLUGIN_GONE_GRACE_MS);
  const { capacity } = resources.capacity();
  expect(capacity).toEqual(Object.fromEntries(known.slice(1).map((name) => [name, "0"])));
  await resources.close();
});
