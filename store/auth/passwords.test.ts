import { expect, onTestFinished, test } from "vitest";
import { BCRYPT_COST_MIN, PASSWORDS_MAX } from "../limits.ts";
import { Passwords } from "./passwords.ts";

test("a client of many addresses of an IPv6 network keeps no other from signing in", async () => {
  const passwords = new Passwords(BCRYPT_COST_MIN);
  onTestFinished(() => passwords.close());
  const hash = Buffer.from(await passwords.hash("right"), "base64");
  const tries = Array.from({ length: PASSWORDS_MAX + 10 }, (_, nth) =>
    passwords.matches(`${nth}`, hash, `2001:db8::${nth.toString(16)}`),
  );
  void Promise.allSettled(tries);
  expect(await passwords.matches("right", hash, "2001:db8:0:1::1")).toBe(true);
});

test("requests that come from no address keep no password from being hashed", async () => {
  const passwords = new Passwords(BCRYPT_COST_MIN);
  onTestFinished(() => passwords.close());
  const hash = Buffer.from(await passwords.hash("right"), "base64");
  const tries = Array.from({ length: PASSWORDS_MAX + 10 }, () => passwords.matches("", hash, ""));
  void Promise.allSettled(tries);
  expect(await passwords.hash("next")).not.toBe("");
});

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
  await passwords.close();
  const reasons = (await settled).flatMap((each) => ("reason" in each ? [each.reason] : []));
  const refused = reasons.filter(({ message }) => message === "etcdserver: too many requests");
  expect(refused).toHaveLength(tries.length - PASSWORDS_MAX);
});

test("a thread that could not be started is started for the next password", async () => {
  const programs = [new URL("http://refused"), new URL("./password-thread.ts", import.meta.url)];
  const passwords = new Passwords(BCRYPT_COST_MIN, () => programs.shift()!);
  onTestFinished(() => passwords.close());
  await expect(passwords.hash("right")).rejects.toThrow();
  expect(await passwords.hash("right")).not.toBe("");
});
