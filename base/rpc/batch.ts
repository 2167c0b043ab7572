/** Answers that a stream sends together. */
export class Batch<R> {
  readonly responses: readonly R[];

  constructor(responses: readonly R[]) {
    this.responses = responses;
  }
}
