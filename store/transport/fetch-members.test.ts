import { createServer, type Server } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../../testing/free-port.ts";
import { TestMembers, urlOf } from "../../testing/store/members.ts";
import { fetchMembers } from "./fetch-members.ts";

/** Longer than a test may take. */
const FOR_EVER_MS = 3_600_000;

let members: TestMembers;
const servers: Server[] = [];

beforeEach(() => {
  members = new TestMembers();
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await members.stopAll();
});

/** Accepts connections and sends no answer. */
async function silent(): Promise<string> {
  const port = await freePort();
  const server = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", resolve));
  servers.push(server);
  return `http://127.0.0.1:${port}`;
}

test("one member that answers is enough: a silent one is not awaited", async () => {
  const [member] = await members.add("a");
  await members.start(member!, [member!]);
  const found = await fetchMembers([await silent(), urlOf(member!)], undefined, FOR_EVER_MS);
  expect(found!.members).toHaveLength(1);
});

test("no member answers: no members", async () => {
  expect(await fetchMembers([], undefined)).toBeUndefined();
  const refused = `http://127.0.0.1:${await freePort()}`;
  expect(await fetchMembers([refused, await silent()], undefined, 100)).toBeUndefined();
});
