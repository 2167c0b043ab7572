import { expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { grant } from "../testing/grant.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
// Users have one seat.
const server = fileApiserver({ inFlightMax: { reading: 2, writing: 1, lasting: 2 } });
const { ask } = server;

/** The number of lists of ConfigMaps that were read from the store. */
async function storeLists(): Promise<number> {
  const { body } = await ask("/metrics");
  return Number(/^apiserver_storage_list_total\{[^}]*configmaps[^}]*\} (\d+)/m.exec(body)![1]);
}

it("the deletion of a collection lists the cache, with which it shares its memory", async () => {
  for (const name of ["a", "b"]) {
    expect((await ask(MAPS, { method: "POST", body: { metadata: { name } } })).status).toBe(201);
  }
  // The state of an etcd's cache is known to be the newest for none but those whom any satisfies.
  const remove = async (query: string) => {
    const { body } = await ask(`${MAPS}?resourceVersion=0${query}`, { method: "DELETE" });
    const { items } = JSON.parse(body) as { items: { metadata: { name: string } }[] };
    return items.map(({ metadata }) => metadata.name);
  };
  const before = await storeLists();
  await expect.poll(() => remove("&dryRun=All")).toEqual(["a", "b"]);
  expect(await remove("")).toEqual(["a", "b"]);
  expect(await storeLists()).toBe(before);
  expect(JSON.parse((await ask(MAPS)).body)).toMatchObject({ items: [] });
});

it("others are answered while a user's deletion of a collection has all seats", async () => {
  const path = "/api/v1/namespaces/default/secrets";
  const rules = [{ verbs: ["*"], apiGroups: [""], resources: ["secrets"] }];
  const greedy = await grant(server, "greedy", "default", rules);
  const modest = await grant(server, "modest", "default", rules);
  const names = Array.from({ length: 100 }, (_, n) => `s${n}`);
  for (const name of names) await ask(path, { method: "POST", body: { metadata: { name } } });
  const answered: string[] = [];
  const all = ask(path, { ...greedy, method: "DELETE" }).then(() => answered.push("deleted"));
  await expect.poll(async () => (await ask(`${path}/s0`)).status, { interval: 1 }).toBe(404);
  await ask(`${path}?limit=1`, modest).then(({ status }) => answered.push(`${status}`));
  await all;
  expect(answered).toEqual(["200", "deleted"]);
});
