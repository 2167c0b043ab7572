import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { CountedTurns, mostInOneTurn } from "../../testing/turns.ts";
import { paceHttp } from "./paced-http.ts";

const CONNECTIONS = 32;
/** A read of a connection gets about as much. */
const FLOOD_BYTES = 60 << 10;
const PIECE = "1\r\n \r\n";
const HEAD = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

test("bodies in tiny chunks on many connections are not read in one turn", async () => {
  using turn = new CountedTurns();
  const turns: number[] = [];
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      turns.push(turn.now);
      response.end();
    });
  });
  paceHttp(server);
  let accepted = 0;
  server.on("connection", () => accepted++);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const clients = Array.from({ length: CONNECTIONS }, () => connect(port, "127.0.0.1"));
  onTestFinished(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  await expect.poll(() => accepted).toBe(CONNECTIONS);
  const body = `${PIECE.repeat(FLOOD_BYTES / PIECE.length)}0\r\n\r\n`;
  for (const client of clients) client.write(HEAD + body);
  await expect.poll(() => turns.length, { timeout: 60_000 }).toBe(CONNECTIONS);
  expect(mostInOneTurn(turns)).toBeLessThan(CONNECTIONS);
});
