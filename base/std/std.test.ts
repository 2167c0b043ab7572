import { afterEach, describe, expect, it, vi } from "vitest";
import { AssertionError, assert, assertSafeInteger } from "./assert.ts";
import { crc32c } from "./bytes.ts";
import { ManualClock, systemClock } from "./clock.ts";
import { asError, CodedError, codeOf, isErrno, messageOf } from "./errors.ts";
import { given } from "./given.ts";
import { pick, randomInteger, randomSuffix, seededRandom } from "./random.ts";
import { delay, WaitTimeoutError, waitFor } from "./wait.ts";

describe("ManualClock", () => {
  it("fires timers in the order of their deadlines, including those set by timers", () => {
    const clock = new ManualClock(1_000);
    const fired: string[] = [];
    clock.after(30, () => fired.push("late"));
    clock.after(10, () => {
      fired.push("early");
      clock.after(5, () => fired.push(`nested at ${clock.now()}`));
    });
    clock.after(10, () => fired.push("early too"));
    clock.after(20, () => fired.push("cancelled")).cancel();
    clock.advance(29);
    expect(fired).toEqual(["early", "early too", "nested at 1015"]);
    expect(clock.monotonic()).toBe(29);
    clock.advance(1);
    expect(fired.at(-1)).toBe("late");
  });
});

describe("random", () => {
  it("is the same for the same seed, and within its bounds", () => {
    const draw = (seed: number) => {
      const random = seededRandom(seed);
      return Array.from({ length: 100 }, () => randomInteger(random, 3, 9));
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(new Set(draw(7))).toEqual(new Set([3, 4, 5, 6, 7, 8]));
    expect(() => pick(seededRandom(1), [])).toThrow(RangeError);
    expect(randomSuffix(seededRandom(1), 5)).toMatch(/^[a-z0-9]{5}$/);
  });
});

describe("bytes", () => {
  it("computes CRC-32C as RFC 3720 gives it, in one go or in parts", () => {
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
    const whole = Buffer.from("in two parts, of which none is a multiple of eight");
    expect(crc32c(whole.subarray(4), crc32c(whole.subarray(0, 4)))).toBe(crc32c(whole));
  });
});

it("fields without a value are left out, and do not replace a default", () => {
  const size: number | undefined = undefined;
  expect({ size: 1, ...given({ size, name: "a", off: false, none: null }) }).toEqual({
    size: 1,
    name: "a",
    off: false,
    none: null,
  });
});

describe("errors", () => {
  it("have code, message and errno for any thrown value", () => {
    const error = new CodedError("BAD", "it is bad", { remedy: "make it good" });
    expect([codeOf(error), messageOf(error), error.remedy]).toEqual([
      "BAD",
      "it is bad",
      "make it good",
    ]);
    expect(isErrno(Object.assign(new Error("x"), { code: "ENOENT" }), "EIO", "ENOENT")).toBe(true);
    expect(codeOf("text")).toBeUndefined();
    expect(asError("text").message).toBe("text");
  });

  it("are thrown for a violated invariant", () => {
    expect(() => assert(false, "the log went backwards")).toThrow(AssertionError);
    expect(() => assertSafeInteger(2 ** 53, "revision")).toThrow(/revision/);
    expect(assertSafeInteger(2 ** 53 - 1, "revision")).toBe(2 ** 53 - 1);
  });
});

describe("the machine's clock", () => {
  afterEach(() => void vi.useRealTimers());
  const DAY_MS = 24 * 3_600_000;

  it("fires a timer with a longer delay than Node's maximum on time", () => {
    vi.useFakeTimers();
    const fired: number[] = [];
    const start_ms = Date.now();
    systemClock().after(400 * DAY_MS, () => fired.push(Date.now() - start_ms));
    systemClock().after(Infinity, () => fired.push(Infinity));
    const cancelled = systemClock().after(100 * DAY_MS, () => fired.push(100));
    vi.advanceTimersByTime(30 * DAY_MS);
    cancelled.cancel();
    vi.advanceTimersByTime(470 * DAY_MS);
    expect(fired).toEqual([400 * DAY_MS]);
  });
});

describe("waiting", () => {
  it("settles with the value, the timeout's error or the signal's reason", async () => {
    const clock = systemClock();
    let asked = 0;
    const third = () => (++asked === 3 ? "now" : undefined);
    expect(await waitFor("the third ask", third, { clock, interval_ms: 1 })).toBe("now");
    const never = waitFor("never", () => Promise.reject(new Error("no")), { clock, timeout_ms: 5 });
    await expect(never).rejects.toThrow(WaitTimeoutError);
    await expect(never).rejects.toThrow(/waited 5 ms for never; last error: Error: no/);
    const abort = new AbortController();
    const forever = delay(clock, 1_000_000, abort.signal);
    const given = { clock, interval_ms: 1_000_000, signal: abort.signal };
    const unasked = waitFor("nothing", () => undefined, given);
    abort.abort(new Error("enough"));
    await forever;
    await expect(unasked).rejects.toThrow("enough");
  });
});
