import { expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const { ask } = fileApiserver();

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
