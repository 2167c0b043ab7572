import { expect, test } from "vitest";
import { AddressPlaces } from "./address-places.ts";

class Connection {
  readonly remoteAddress: string;
  destroyed = false;

  constructor(remoteAddress: string) {
    this.remoteAddress = remoteAddress;
  }

  destroy(): void {
    this.destroyed = true;
  }
}

const arrive = (places: AddressPlaces, address: string) => {
  const connection = new Connection(address);
  return { connection, leave: places.take(connection) };
};

test("an address has its places, and gets them back once", () => {
  const places = new AddressPlaces({ ofAddress: 2, all: 3 });
  const [first, , third] = [1, 2, 3].map(() => arrive(places, "a"));
  expect(third).toMatchObject({ connection: { destroyed: true }, leave: undefined });
  first!.leave!();
  first!.leave!();
  expect(arrive(places, "a").leave).toBeDefined();
  expect(arrive(places, "a").leave).toBeUndefined();
});

test("addresses that hold all places keep no other out", () => {
  const places = new AddressPlaces({ ofAddress: 3, all: 6 });
  const held = ["a", "b"].flatMap((each) => [1, 2, 3].map(() => arrive(places, each)));
  const late = [1, 2].map(() => arrive(places, "c"));
  expect(late.map(({ connection }) => connection.destroyed)).toEqual([false, false]);
  const closed = held.map(({ connection }) => connection.destroyed);
  expect(closed).toEqual([true, false, false, true, false, false]);
  // With as many as the others it takes none of theirs.
  expect(arrive(places, "c").leave).toBeUndefined();
  // A connection that was closed gives no second place back.
  held[0]!.leave!();
  expect(arrive(places, "d").leave).toBeDefined();
  expect(held[1]!.connection.destroyed).toBe(true);
});

test("clients that have not shown who they are take no place of those that have", () => {
  const places = new AddressPlaces({ ofAddress: 4, all: 8 });
  const known = [1, 2, 3, 4].map(() => arrive(places, "proxy").connection);
  for (const each of known) places.show(each);
  const strangers = Array.from({ length: 12 }, (_, n) => arrive(places, `s${n % 3}`).connection);
  expect(known.some(({ destroyed }) => destroyed)).toBe(false);
  expect(strangers.filter(({ destroyed }) => !destroyed)).toHaveLength(4);
});

test("addresses whose clients have shown who they are keep no other out", () => {
  const places = new AddressPlaces({ ofAddress: 3, all: 6 });
  for (const address of ["a", "a", "a", "b", "b", "b"]) {
    places.show(arrive(places, address).connection);
  }
  expect(arrive(places, "c").connection.destroyed).toBe(false);
});
