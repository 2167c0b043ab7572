import { expect, test } from "vitest";
import { RuntimeError } from "../errors.ts";
import { withRpcErrors } from "./errors.ts";

const missing = () => new RuntimeError("not-found", "no such container");

test("errors of calls and of streams have CRI's status, whatever makes the stream", async () => {
  async function* generated(): AsyncGenerator<number> {
    yield 1;
    throw missing();
  }
  const handlers = withRpcErrors({
    call: () => Promise.reject(missing()),
    generated,
    returned: () => generated(),
    early(): AsyncGenerator<number> {
      throw missing();
    },
  });
  const read = async (items: AsyncIterable<number>) => {
    for await (const item of items) expect(item).toBe(1);
  };
  const asExpected = { code: "NOT_FOUND", message: "no such container" };
  await expect(handlers.call()).rejects.toMatchObject(asExpected);
  await expect(read(handlers.generated())).rejects.toMatchObject(asExpected);
  await expect(read(handlers.returned())).rejects.toMatchObject(asExpected);
  expect(() => handlers.early()).toThrow(expect.objectContaining(asExpected));
});

test("the message has the remedy, which CRI has no field for", () => {
  const handlers = withRpcErrors({
    call() {
      throw new RuntimeError("unavailable", "no conmon", { remedy: "install it" });
    },
  });
  expect(() => handlers.call()).toThrow("no conmon; install it");
});
