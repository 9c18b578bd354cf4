/* SPDX-License-Identifier: MIT
 *
 * Functions that cannot be used safely are compile errors, wherever they are called.
 * Included ahead of every source file by the Makefile.
 */
#ifndef REC_BANNED_H
#define REC_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REC_BANNED(f) sorry_##f##_is_a_banned_function

#undef strcpy
#define strcpy(a, b) REC_BANNED(strcpy)
#undef strcat
#define strcat(a, b) REC_BANNED(strcat)
#undef strncpy
#define strncpy(a, b, n) REC_BANNED(strncpy)
#undef strncat
#define strncat(a, b, n) REC_BANNED(strncat)
#undef strtok
#define strtok(a, b) REC_BANNED(strtok)
#undef sprintf
#define sprintf(...) REC_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) REC_BANNED(vsprintf)
#undef atoi
#define atoi(a) REC_BANNED(atoi)
#undef atol
#define atol(a) REC_BANNED(atol)
#undef atoll
#define atoll(a) REC_BANNED(atoll)
#undef atof
#define atof(a) REC_BANNED(atof)
#undef gmtime
#define gmtime(a) REC_BANNED(gmtime)
#undef localtime
#define localtime(a) REC_BANNED(localtime)
#undef ctime
#define ctime(a) REC_BANNED(ctime)
#undef asctime
#define asctime(a) REC_BANNED(asctime)
#undef rand
#define rand() REC_BANNED(rand)

#endif
