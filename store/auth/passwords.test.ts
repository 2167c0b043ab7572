import { expect, onTestFinished, test } from "vitest";
import { BCRYPT_COST_MIN, PASSWORDS_MAX } from "../limits.ts";
import { Passwords } from "./passwords.ts";

test("a client that tries many passwords keeps no other from signing in", async () => {
  const passwords = new Passwords(BCRYPT_COST_MIN);
  onTestFinished(() => passwords.close());
  const hash = Buffer.from(await passwords.hash("right"), "base64");
  let compared = 0;
  const tries = Array.from({ length: PASSWORDS_MAX + 10 }, (_, nth) => {
    return passwords.matches(`${nth}`, hash, "10.0.0.1").then(() => void compared++);
  });
  const settled = Promise.allSettled(tries);
  expect(await passwords.matches("right", hash, "10.0.0.2")).toBe(true);
  expect(compared).toBeLessThan(10);
  const refused = (await settled).filter(({ status }) => status === "rejected");
  expect(refused).toHaveLength(tries.length - compared);
  expect(refused[0]).toMatchObject({ reason: { message: "etcdserver: too many requests" } });
});
