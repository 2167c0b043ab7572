import { expect, test } from "vitest";
import { bytes, expectError, freshPrefix, shorthand } from "./fixture.ts";
import type { Running } from "./implementations.ts";
import { describeEvent, Watching } from "./watch-fixture.ts";

/** The Lease service. */
export function leaseRules(running: () => Running): void {
  grantRules(running);
  expiryRules(running);
}

function grantRules(running: () => Running): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test("a lease gets an id, and takes one that is chosen", async () => {
    const { ID, TTL } = await client().leaseGrant({ TTL: 60 });
    expect(ID).not.toBe(0n);
    expect(TTL).toBe(60);
    const chosen = await client().leaseGrant({ TTL: 60, ID: 4242n });
    expect(chosen.ID).toBe(4242n);
    await expectError(client().leaseGrant({ TTL: 60, ID: 4242n }), "leaseExists");
    const { leases } = await client().leaseLeases();
    expect(leases.map((lease) => lease.ID)).toEqual(expect.arrayContaining([ID, 4242n]));
  });

  test("a TTL that is too short is raised, one that is too long refused", async () => {
    expect((await client().leaseGrant({ TTL: 1 })).TTL).toBe(2);
    await expectError(client().leaseGrant({ TTL: 9_000_000_001 }), "leaseTTLTooLarge");
  });

  test("time to live returns the remaining and granted TTL and the keys", async () => {
    const prefix = freshPrefix();
    const { ID } = await client().leaseGrant({ TTL: 60 });
    await use().put(`${prefix}a`, "", ID);
    await use().put(`${prefix}b`, "", ID);
    await use().put(`${prefix}b`, "moved away");
    const response = await client().leaseTimeToLive({ ID, keys: true });
    expect(response).toMatchObject({ ID, grantedTTL: 60 });
    expect(response.TTL).toBeGreaterThan(50);
    expect(response.TTL).toBeLessThanOrEqual(60);
    expect(response.keys).toEqual([bytes(`${prefix}a`)]);
    expect(await client().leaseTimeToLive({ ID: 999n })).toMatchObject({ TTL: -1, grantedTTL: 0 });
  });

  test("revoking deletes the keys in one revision", async () => {
    const prefix = freshPrefix();
    const { ID } = await client().leaseGrant({ TTL: 60 });
    await use().put(`${prefix}a`, "", ID);
    await use().put(`${prefix}b`, "", ID);
    const before = await use().revision();
    const { header } = await client().leaseRevoke({ ID });
    expect(header!.revision).toBe(before + 1);
    expect((await use().list(prefix)).count).toBe(0);
    await expectError(client().leaseRevoke({ ID }), "leaseNotFound");
    await expectError(use().put(`${prefix}c`, "", ID), "leaseNotFound");
  });
}

function expiryRules(running: () => Running): void {
  const client = () => running().client;
  const use = () => shorthand(client());

  test("keep-alive renews, and says 0 of a lease that is gone", async () => {
    const { ID } = await client().leaseGrant({ TTL: 60 });
    expect(await client().leaseKeepAlive({ ID })).toMatchObject({ ID, TTL: 60 });
    expect(await client().leaseKeepAlive({ ID: 999n })).toMatchObject({ ID: 999n, TTL: 0 });
  });

  test("expiry deletes the keys, and watches see it", async () => {
    const prefix = freshPrefix();
    const { ID } = await client().leaseGrant({ TTL: 2 });
    const { header } = await use().put(`${prefix}k`, "v", ID);
    const watching = new Watching(client());
    // From there on, for it may have expired before the watch is there.
    await watching.create({ key: bytes(`${prefix}k`), startRevision: header!.revision + 1 });
    const events = await watching.events(1);
    await watching.close();
    expect(events.map(describeEvent)).toEqual(["DELETE k"]);
    expect(await client().leaseTimeToLive({ ID })).toMatchObject({ TTL: -1 });
  });

  test("a lease that is kept alive does not expire", async () => {
    const key = `${freshPrefix()}k`;
    const { ID } = await client().leaseGrant({ TTL: 2 });
    const short = await client().leaseGrant({ TTL: 4 });
    await use().put(key, "v", ID);
    // The other lease is the clock: it ends after twice this one's TTL.
    while ((await client().leaseTimeToLive({ ID: short.ID })).TTL >= 0) {
      expect((await client().leaseKeepAlive({ ID })).TTL).toBe(2);
    }
    expect(await use().get(key)).toBeDefined();
  });
}
