/** ServiceCIDRs, IPAddresses, and the Services that have addresses of a second range. */
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { Case, Recorder } from "../recorder.ts";

const NETWORKING = "/apis/networking.k8s.io/v1";
const RANGES = `${NETWORKING}/servicecidrs`;
const ADDRESSES = `${NETWORKING}/ipaddresses`;
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const FOLLOWED_TIMEOUT_MS = 60_000;

const range = (name: string, ...cidrs: string[]) => ({ metadata: { name }, spec: { cidrs } });
const address = (name: string, parentRef?: object) =>
  ({ metadata: { name }, spec: parentRef === undefined ? {} : { parentRef } });
const service = (name: string, clusterIP: string, spec: object = {}) =>
  ({ metadata: { name }, spec: { clusterIP, ports: [{ port: 80 }], ...spec } });
const ready = (status: "True" | "False") => ({
  conditions: [{
    type: "Ready", status, reason: "", message: "said", lastTransitionTime: "2026-01-01T00:00:00Z",
  }],
});
const PARENT = { group: "example.com", resource: "gateways", namespace: "n", name: "g" };

/** The servers' allocators follow ServiceCIDRs in their own time. */
async function served({ peek }: Recorder, ip: string, wanted: boolean): Promise<void> {
  await waitFor("the range", async () => {
    const { kind } = await peek("POST", "services", { body: service("probe", ip) });
    if (kind === "Service") await peek("DELETE", "services/probe");
    return (kind === "Service") === wanted;
  }, { clock: systemClock(), timeout_ms: FOLLOWED_TIMEOUT_MS });
}

export const RANGE_CASES: readonly Case[] = [
  {
    name: "ranges: ServiceCIDR",
    async run({ ask, get, post, put, patch, delete: remove }) {
      await get(`${RANGES}/kubernetes`, { accept: TABLE });
      for (const cidrs of [
        [], ["10.0.0.1/8"], ["010.0.0.0/8"], ["10.0.0.0/08"], ["10.0.0.0/33"], ["10.0.0.0"],
        ["::ffff:10.0.0.0/104"], ["2001:0db8::/64"], ["10.0.0.0/8", "11.0.0.0/8"],
        ["10.0.0.0/8", "fd00::/64", "fd01::/64"],
      ]) await post(RANGES, range("story-bad", ...cidrs));
      await post(RANGES, range("Story", "192.168.240.0/31"));
      await post(RANGES, { ...range("story-one", "192.168.240.0/31"), status: ready("False") });
      await get(`${RANGES}/story-one`, { accept: TABLE });
      await get(`${RANGES}/story-one/status`);
      await patch(`${RANGES}/story-one`, "merge", { spec: { cidrs: ["192.168.241.0/31"] } });
      await patch(`${RANGES}/story-one`, "merge", { spec: { cidrs: [] } });
      await patch(`${RANGES}/story-one`, "merge", { status: ready("True") });
      await patch(`${RANGES}/story-one/status`, "merge", {
        metadata: { labels: { a: "b" } }, spec: { cidrs: ["fd00:1::/64"] }, status: ready("True"),
      });
      await patch(`${RANGES}/story-one`, "merge",
        { spec: { cidrs: ["192.168.240.0/31", "fd00:1::1/64"] } });
      await patch(`${RANGES}/story-one`, "merge",
        { spec: { cidrs: ["192.168.240.0/31", "fd00:1::/64"] } });
      await patch(`${RANGES}/story-one`, "merge", { spec: { cidrs: ["192.168.240.0/31"] } });
      await patch(`${RANGES}/story-one/status`, "apply", {
        apiVersion: "networking.k8s.io/v1", kind: "ServiceCIDR",
        metadata: { name: "story-one" }, status: ready("True"),
      });
      await ask("POST", `${RANGES}/story-one/status`, { body: {} });
      await put(`${RANGES}/story-two`, range("story-two", "192.168.242.0/31"));
      await remove(`${RANGES}/story-one`);
      await get("/apis/networking.k8s.io/v1beta1/servicecidrs");
    },
  },
  {
    name: "ranges: IPAddress",
    async run({ get, post, patch, delete: remove }) {
      for (const name of [
        "example", "010.9.8.7", "::ffff:10.9.8.7", "2001:0DB8::1", "10.9.8", "",
      ]) await post(ADDRESSES, address(name, PARENT));
      await post(ADDRESSES, { metadata: { generateName: "10.9.8." }, spec: { parentRef: PARENT } });
      await post(ADDRESSES, address("10.9.8.7"));
      for (const change of [
        { group: "Ex ample" }, { resource: "" }, { resource: "a/b" }, { name: "" },
        { name: ".." }, { namespace: "a/b" },
      ]) await post(ADDRESSES, address("10.9.8.7", { ...PARENT, ...change }));
      await post(ADDRESSES, address("10.9.8.7", PARENT));
      await post(ADDRESSES, address("2001:db8::7", PARENT));
      await get(`${ADDRESSES}/10.9.8.7`, { accept: TABLE });
      await get(`${ADDRESSES}/2001:db8::7`);
      await patch(`${ADDRESSES}/10.9.8.7`, "merge", { metadata: { labels: { a: "b" } } });
      await patch(`${ADDRESSES}/10.9.8.7`, "merge", { spec: { parentRef: { name: "other" } } });
      await remove(`${ADDRESSES}/10.9.8.7`);
      await remove(`${ADDRESSES}/2001:db8::7`);
    },
  },
  {
    name: "ranges: Services",
    async run(recorder) {
      const { get, post, put, peek, delete: remove } = recorder;
      await post(RANGES, { ...range("story", "192.168.248.0/24"), status: ready("False") });
      const say = async (status: "True" | "False") => {
        const found = await peek("GET", `${RANGES}/story`);
        await put(`${RANGES}/story/status`, { ...found, status: ready(status) });
        await served(recorder, "192.168.248.20", status === "True");
      };
      await say("False");
      await post("services", service("early", "192.168.248.20"));
      await say("True");
      await post("services", service("one", "192.168.248.20"));
      await get(`${ADDRESSES}/192.168.248.20`);
      await post("services", service("two", "192.168.248.20"));
      for (const ip of ["192.168.248.0", "192.168.248.255", "192.168.249.1", "10.96.255.255"]) {
        await post("services", service("out", ip));
      }
      await post("services?dryRun=All", service("dry", "172.16.0.1"));
      await post(ADDRESSES, address("192.168.248.30", PARENT));
      await post("services", service("taken", "192.168.248.30"));
      await remove("services/one");
      await get(`${ADDRESSES}/192.168.248.20`);
      await remove(`${ADDRESSES}/192.168.248.30`);
      await remove(`${RANGES}/story`);
      await served(recorder, "192.168.248.20", false);
      await post("services", service("late", "192.168.248.20"));
    },
  },
];
