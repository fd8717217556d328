# What every folder's CMakeLists.txt uses: one way to make a library, a program, a test, and a file embedded in a program.

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(gpuinfer_options INTERFACE)
target_compile_options(gpuinfer_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # False alarms of GCC 12 on std::string's operator+ (GCC bug 105651).
  target_compile_options(gpuinfer_options INTERFACE -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()
target_include_directories(gpuinfer_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)

# Almost every file reads nlohmann/json.hpp, and every test Catch2, which alone cost a compiler three seconds each: they are parsed once, for all
# targets. Test code is not optimised: it is compiled more often than it is run.
function(gpuinfer_add_precompiled NAME)
  cmake_parse_arguments(ARG "" "" "HEADERS;OPTIONS" ${ARGN})
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/${NAME}.cpp CONTENT "")
  add_library(${NAME} OBJECT ${CMAKE_BINARY_DIR}/generated/${NAME}.cpp)
  target_compile_options(${NAME} PRIVATE ${ARG_OPTIONS})
  target_link_libraries(${NAME} PRIVATE nlohmann_json::nlohmann_json gpuinfer_options)
  target_precompile_headers(${NAME} PRIVATE <nlohmann/json.hpp> <algorithm> <filesystem> <functional> <map> <memory> <optional> <string> <vector>
                                            ${ARG_HEADERS})
endfunction()

gpuinfer_add_precompiled(gpuinfer_precompiled)
set(GPUINFER_TEST_OPTIONS -O0)
if(GPUINFER_TESTS)
  gpuinfer_add_precompiled(gpuinfer_test_precompiled HEADERS ${CMAKE_SOURCE_DIR}/tests/catch.hpp OPTIONS ${GPUINFER_TEST_OPTIONS})
  target_link_libraries(gpuinfer_test_precompiled PRIVATE Catch2::Catch2)
endif()

# gpuinfer_library(NAME SOURCES a.cpp ... LIBS x ... PRIVATE_LIBS y ... [PRECOMPILED target]): libgpuinfer_NAME.a, used as gpuinfer::NAME. LIBS are
# those whose headers its own headers include; PRECOMPILED is a target of gpuinfer_add_precompiled() with more headers than the usual ones.
function(gpuinfer_library NAME)
  cmake_parse_arguments(ARG "" "PRECOMPILED" "SOURCES;LIBS;PRIVATE_LIBS" ${ARGN})
  if(NOT ARG_PRECOMPILED)
    set(ARG_PRECOMPILED gpuinfer_precompiled)
  endif()
  add_library(gpuinfer_${NAME} STATIC ${ARG_SOURCES})
  add_library(gpuinfer::${NAME} ALIAS gpuinfer_${NAME})
  target_link_libraries(gpuinfer_${NAME} PUBLIC ${ARG_LIBS} PRIVATE ${ARG_PRIVATE_LIBS} gpuinfer_options)
  target_include_directories(gpuinfer_${NAME} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
  target_precompile_headers(gpuinfer_${NAME} REUSE_FROM ${ARG_PRECOMPILED})
endfunction()

# gpuinfer_program(NAME [STATIC] SOURCES main.cpp ... LIBS x ...): bin/NAME, static where GPUINFER_STATIC asks for it. (The linker then warns of
# getaddrinfo and dlopen: names in DNS and /etc/hosts are found without glibc's plugins, and OpenSSL loads none.)
function(gpuinfer_program NAME)
  cmake_parse_arguments(ARG "STATIC" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${ARG_LIBS} gpuinfer_options)
  target_precompile_headers(${NAME} REUSE_FROM gpuinfer_precompiled)
  if(ARG_STATIC AND GPUINFER_STATIC)
    target_link_options(${NAME} PRIVATE -static-pie -Wl,--gc-sections)
  endif()
endfunction()

# The preset asan leaves out what is tagged [long]: forward passes of every fixture under tests/simt, which take longer than all other test cases
# together, through code that those run as well.
set(GPUINFER_TEST_FILTER "" CACHE STRING "Which test cases ctest runs, as Catch2 takes it")

# gpuinfer_test(NAME [ALONE | FIRST] SOURCES x_test.cpp ... LIBS y ...): one Catch2 program NAME_test, one ctest test of the same name.
# The program runs in the source folder tests/, so test data is found as "policies/testdata/x.yaml". ALONE: it waits for
# clients and timers, so ctest runs nothing beside it. FIRST: it takes long, so ctest
# begins with it and runs the others beside it.
function(gpuinfer_test NAME)
  cmake_parse_arguments(ARG "ALONE;FIRST" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${NAME}_test ${ARG_SOURCES})
  target_link_libraries(${NAME}_test PRIVATE ${ARG_LIBS} gpuinfer_test_main gpuinfer_options)
  target_compile_options(${NAME}_test PRIVATE ${GPUINFER_TEST_OPTIONS})
  target_precompile_headers(${NAME}_test REUSE_FROM gpuinfer_test_precompiled)
  add_test(NAME ${NAME} COMMAND ${NAME}_test ${GPUINFER_TEST_FILTER} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests)
  if(ARG_ALONE)
    set_tests_properties(${NAME} PROPERTIES RUN_SERIAL ON)
  endif()
  if(ARG_FIRST)
    set_tests_properties(${NAME} PROPERTIES COST 1)
  endif()
endfunction()

# gpuinfer_embed(LIBRARY NAMESPACE name FILES a b ...): the files' contents as `const std::string_view` constants in
# generated/LIBRARY/embedded.hpp, namespace gpuinfer::NAMESPACE::embedded, named after the file (dots and dashes become _).
function(gpuinfer_embed LIBRARY)
  cmake_parse_arguments(ARG "" "NAMESPACE" "FILES" ${ARGN})
  set(HEADER ${CMAKE_BINARY_DIR}/generated/${LIBRARY}/embedded.hpp)
  set(SOURCE ${CMAKE_BINARY_DIR}/generated/${LIBRARY}/embedded.cpp)
  set(INPUTS)
  foreach(FILE ${ARG_FILES})
    list(APPEND INPUTS ${CMAKE_CURRENT_SOURCE_DIR}/${FILE})
  endforeach()
  add_custom_command(
    OUTPUT ${HEADER} ${SOURCE}
    COMMAND ${CMAKE_COMMAND} "-DINPUTS=${INPUTS}" -DHEADER=${HEADER} -DSOURCE=${SOURCE} -DNAMESPACE=${ARG_NAMESPACE}
            -DINCLUDE=${LIBRARY}/embedded.hpp -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${INPUTS} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    VERBATIM)
  target_sources(gpuinfer_${LIBRARY} PRIVATE ${SOURCE} ${HEADER})
endfunction()
