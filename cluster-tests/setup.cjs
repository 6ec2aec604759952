// SPDX-License-Identifier: BSD-3-Clause
// Real servers and real image builds take their time.
jest.setTimeout(180_000);
