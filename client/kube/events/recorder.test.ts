import * as http from "node:http";
import { text } from "node:stream/consumers";
import type { Event } from "@raft2kube/api/gen/core/v1.ts";
import { configureLog } from "@raft2kube/observe/log.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { dnsSubdomain } from "@raft2kube/std/names.ts";
import { expect, onTestFinished, test } from "vitest";
import { listening } from "../../../testing/listening.ts";
import { runWithUsed, word } from "../../../testing/retained.ts";
import { waitFor } from "../../../testing/wait.ts";
import { EVENT_MESSAGE_CHARS_MAX, EVENTS_PENDING_MAX, EVENTS_SIMILAR_MAX } from "../limits.ts";
import { KubeClient } from "../rest/client.ts";
import { EventRecorder } from "./recorder.ts";

const clock = systemClock();
const ABOUT = { apiVersion: "v1", kind: "Pod", metadata: { namespace: "n", name: "p", uid: "u" } };

test("a message is cut when its event is created, and when it is counted up", async () => {
  const asked: { method: string | undefined; message: string }[] = [];
  const server = http.createServer(async (request, response) => {
    const body = await text(request);
    asked.push({ method: request.method, message: (JSON.parse(body) as Event).message ?? "" });
    response.writeHead(200).end(body);
  });
  const port = await listening(server);
  const client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock });
  onTestFinished(() => {
    client.close();
    server.close();
  });
  const recorder = new EventRecorder({ client, component: "test", clock });
  const long = "é".repeat(2 * EVENT_MESSAGE_CHARS_MAX);
  const count = EVENTS_SIMILAR_MAX + 1;
  for (let at = 0; at < count; at++) recorder.record(ABOUT, "Normal", "Long", `${at}${long}`);
  await waitFor("all events", () => asked.length === count);
  await recorder.close();
  expect(asked.at(-1)?.method).toBe("PATCH");
  expect(asked.at(-1)?.message).toMatch(/^\(combined from similar events\): 10é+$/);
  const lengths = asked.map(({ message }) => message.length);
  expect(lengths).toEqual(lengths.map(() => EVENT_MESSAGE_CHARS_MAX));
});

test.each(["p".repeat(250), "system:node"])(
  "an event about an object whose name leaves no room for a suffix has a name of its own: %s",
  async (name) => {
    const created: Event[] = [];
    const create = async (event: Event) => void created.push(event);
    const client = { resource: () => ({ create }) } as unknown as KubeClient;
    const recorder = new EventRecorder({ client, component: "test", clock });
    recorder.record({ ...ABOUT, metadata: { ...ABOUT.metadata, name } }, "Normal", "Some", "");
    await recorder.close();
    expect(created).toMatchObject([{ involvedObject: { name } }]);
    expect(dnsSubdomain(created[0]!.metadata.name ?? "")).toEqual([]);
  },
);

test("a namespace with many events neither delays nor displaces those of others", async () => {
  const lines: string[] = [];
  configureLog({ stream: { write: (line) => void lines.push(line) } });
  onTestFinished(() => configureLog({}));
  const created: string[] = [];
  const held = Promise.withResolvers<void>();
  const create = async ({ metadata }: Event) => {
    await held.promise;
    created.push(metadata.namespace ?? "");
  };
  const client = { resource: () => ({ create }) } as unknown as KubeClient;
  const recorder = new EventRecorder({ client, component: "test", clock: new ManualClock() });
  const record = (namespace: string, name: string) =>
    recorder.record({ ...ABOUT, metadata: { namespace, name, uid: name } }, "Normal", "Some", "");
  for (let at = 0; at < 2 * EVENTS_PENDING_MAX; at++) record("many", `many-${at}`);
  for (let at = 0; at < 3; at++) record("few", `few-${at}`);
  held.resolve();
  await recorder.close();
  expect(created.filter((namespace) => namespace === "few")).toHaveLength(3);
  expect(created.lastIndexOf("few")).toBeLessThan(10);
  expect(created.length).toBeLessThanOrEqual(EVENTS_PENDING_MAX + 1);
  expect(lines).toEqual([expect.stringContaining("event dropped")]);
});

const here = (file: string) => word(import.meta.dirname, file);
const MIB = 1024 * 1024;
const EVENTS = 100;
const PROGRAM = `
  const { EventRecorder } = await import(${here("recorder.ts")});
  const { systemClock } = await import(${here("../../../base/std/clock.ts")});
  const never = () => new Promise(() => undefined);
  const client = { resource: () => ({ create: never, patch: never }) };
  const recorder = new EventRecorder({ client, component: "test", clock: systemClock() });
  const before = await used();
  for (let at = 0; at < ${EVENTS}; at++) {
    const metadata = { namespace: "n", name: "p" + at, uid: "u" + at };
    recorder.record({ ...${JSON.stringify(ABOUT)}, metadata }, "Normal", "Long", "x".repeat(${MIB}));
  }
  console.log(await used() - before);
`;

test("events that wait to be written do not keep the texts that theirs were cut from", () => {
  const [grown] = runWithUsed(PROGRAM).map(Number);
  expect(grown).toBeLessThan((EVENTS * MIB) / 4);
});
