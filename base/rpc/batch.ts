/** Answers that a stream sends together. */
export class Batch<R> {
  readonly responses: readonly (R | Prepared)[];

  constructor(responses: readonly (R | Prepared)[]) {
    this.responses = responses;
  }
}

/** A message encoded already, in two parts: the second may be the same for many messages. */
export class Prepared {
  /** Buffer with space for a message's header (MESSAGE_HEADER_BYTES) before the message. */
  readonly head: Buffer;
  readonly rest: Buffer;

  constructor(head: Buffer, rest: Buffer) {
    this.head = head;
    this.rest = rest;
  }
}
