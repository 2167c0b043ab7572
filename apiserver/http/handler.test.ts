import { expect, it } from "vitest";
import type { Incoming, Outgoing } from "../request/context.ts";
import { Handler } from "./handler.ts";

it("passes over a request whose session is gone, which has no socket", () => {
  const handler = new Handler([], () => expect.fail("answered"));
  const request = { stream: { destroyed: true, session: undefined }, socket: undefined };
  handler.handle(request as unknown as Incoming, {} as Outgoing);
});
