import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { expect, test } from "vitest";
import type { DriverIdentity } from "./driver-identity.ts";
import { getConditions, listConditions } from "./health-conditions.ts";
import { CONDITION_CHARS_MAX } from "./limits.ts";

/** A driver that answers by these methods alone. */
const driverOf = (controller: Partial<Record<"listVolumes" | "controllerGetVolume", unknown>>) => ({
  name: "d",
  controller: controller as DriverIdentity["controller"],
});
const ill = (message: string) => ({ volumeCondition: { abnormal: true, message } });

test("of a list monitored volumes alone are kept, and how their messages start", async () => {
  const pages = 20;
  let page = 0;
  const message = "x".repeat(100_000);
  const driver = driverOf({
    listVolumes() {
      page++;
      const ids = ["mine", ...Array.from({ length: 100 }, (_, at) => `other-${page}-${at}`)];
      const entries = ids.map((volumeId) => ({ volume: { volumeId }, status: ill(message) }));
      return Promise.resolve({ entries, nextToken: page < pages ? `${page}` : "" });
    },
  });
  const found = await listConditions(driver, new Set(["mine"]));
  expect(page).toBe(pages);
  expect([...found]).toEqual([
    ["mine", { abnormal: true, message: message.slice(0, CONDITION_CHARS_MAX) }],
  ]);
});

test("a volume that the driver cannot tell about does not hide the others", async () => {
  const driver = driverOf({
    controllerGetVolume({ volumeId }: { volumeId: string }) {
      const status = { a: Status.INTERNAL, b: Status.DEADLINE_EXCEEDED }[volumeId];
      if (status !== undefined) return Promise.reject(new RpcError(status, "no"));
      return Promise.resolve({ status: ill("gone") });
    },
  });
  const found = await getConditions(driver, new Set(["a", "b", "c"]), () => false);
  expect([...found]).toEqual([["c", { abnormal: true, message: "gone" }]]);
});

test("a driver that is away is asked again later", async () => {
  const away = new RpcError(Status.UNAVAILABLE, "no");
  const driver = driverOf({ controllerGetVolume: () => Promise.reject(away) });
  await expect(getConditions(driver, new Set(["a"]), () => false)).rejects.toBe(away);
});
