import { expect, test } from "vitest";
import { bytes, expectError, freshPrefix, shorthand } from "./fixture.ts";
import type { Running } from "./implementations.ts";

/** KV.Compact. */
export function compactRules(running: () => Running): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test("reads below the compacted revision are refused, at it they work", async () => {
    const key = `${freshPrefix()}k`;
    const first = (await use().put(key, "1")).header!.revision;
    await use().put(key, "2");
    const third = (await use().put(key, "3")).header!.revision;
    await client().compact({ revision: first + 1, physical: true });
    await expectError(client().range({ key: bytes(key), revision: first }), "compacted");
    expect(await use().get(key, first + 1)).toMatchObject({ value: bytes("2"), version: 2 });
    expect(await use().get(key)).toMatchObject({ modRevision: third, version: 3 });
    await expectError(
      client().txn({ success: [{ requestRange: { key: bytes(key), revision: first } }] }),
      "compacted",
    );
  });

  test("compacting again, or beyond the present, is refused", async () => {
    const revision = (await use().put(`${freshPrefix()}k`)).header!.revision;
    await client().compact({ revision });
    await expectError(client().compact({ revision }), "compacted");
    await expectError(client().compact({ revision: revision - 1 }), "compacted");
    await expectError(client().compact({ revision: revision + 100 }), "futureRevision");
  });

  test("keys that live on keep versions and creation; deleted ones start over", async () => {
    const prefix = freshPrefix();
    const created = (await use().put(`${prefix}kept`, "1")).header!.revision;
    await use().put(`${prefix}kept`, "2");
    await use().put(`${prefix}gone`, "1");
    const { header } = await use().remove(`${prefix}gone`);
    await use().put(freshPrefix());
    await client().compact({ revision: header!.revision + 1, physical: true });
    await use().put(`${prefix}kept`, "3");
    expect(await use().get(`${prefix}kept`)).toMatchObject({ createRevision: created, version: 3 });
    const again = (await use().put(`${prefix}gone`, "2")).header!.revision;
    expect(await use().get(`${prefix}gone`)).toMatchObject({ createRevision: again, version: 1 });
  });
}
